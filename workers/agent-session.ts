/** Wires agent sessions: by which models they think, and by which tools they act. */
import { ModelRegistry } from "./agents/models/registry.ts";
import { followSession } from "./agents/session/follow.ts";
import { noTools } from "./agents/session/no-tools.ts";
import { AgentSessionBase } from "./agents/session/object.ts";
import type { SessionPorts } from "./agents/session/ports.ts";
import { sessionAt } from "./agents/session/request.ts";
import type { SessionEventRow, SessionObject } from "./agents/session-port.ts";
import { loadConfig } from "./config.ts";

const ports: SessionPorts = {
  models: (env) => new ModelRegistry(loadConfig(env)),
  tools: () => noTools,
  slots: (env) => loadConfig(env).MAX_CONCURRENT_AGENTS,
};

export class AgentSession extends AgentSessionBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, ports);
  }
}

/** The session of an id, behind its object. */
export function sessionOf(env: Env, id: string): SessionObject {
  return sessionAt(() => env.AGENT_SESSION.getByName(id));
}

/** Its events after a seq, those to come included, until it is terminated. */
export function eventsOf(
  env: Env,
  id: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<SessionEventRow> {
  const watch = () =>
    env.AGENT_SESSION.getByName(id).fetch("https://session/", {
      headers: { Upgrade: "websocket" },
    });
  return followSession(sessionOf(env, id), watch, after, signal);
}

/** Wakes the object of a session, which takes up what it finds unfinished. */
export async function callOnSession(env: Env, id: string): Promise<void> {
  await env.AGENT_SESSION.getByName(id).wake();
}
