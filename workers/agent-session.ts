/** Wires agent sessions: by which models they think, and by which tools they act. */
import { ModelRegistry } from "./agents/models/registry.ts";
import { sessionsIn } from "./agents/reach.ts";
import { AgentSessionBase } from "./agents/session/object.ts";
import type { SessionPorts } from "./agents/session/ports.ts";
import { loadConfig } from "./config.ts";
import { objectOf } from "./runs/address.ts";
import { sessionToolsOf } from "./services.ts";

const ports: SessionPorts = {
  models: (env) => new ModelRegistry(loadConfig(env)),
  tools: (env) => sessionToolsOf(env),
  assignments: (env) => {
    const { AGENT_MAX_ITERATIONS, AGENT_TIMEOUT_SECONDS } = loadConfig(env);
    return {
      defaults: { max_iterations: AGENT_MAX_ITERATIONS, timeout_seconds: AGENT_TIMEOUT_SECONDS },
      tell: async (report) => {
        const { resource_id, placement = "own" } = report.parent;
        await env.RUN_COORDINATOR.getByName(objectOf(resource_id, placement)).childReported(report);
      },
    };
  },
  sessions: (env) => sessionsIn(env.AGENT_SESSION).session,
  slots: (env) => loadConfig(env).MAX_CONCURRENT_AGENTS,
};

export class AgentSession extends AgentSessionBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, ports);
  }
}

/** Wakes the object of a session, which takes up what it finds unfinished. */
export async function callOnSession(env: Env, id: string): Promise<void> {
  await env.AGENT_SESSION.getByName(id).wake();
}
