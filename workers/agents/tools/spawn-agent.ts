import { ApiError } from "../../http/errors.ts";
import type { Json } from "../../http/json.ts";
import { resourceId, seedFrom } from "../../runs/address.ts";
import { wasReset } from "../../runs/resets.ts";
import { endOfMessage } from "../message-end.ts";
import { MAX_REMINDERS, REMINDER } from "../result-tool.ts";
import type { AgentService } from "../service.ts";
import type { SentMessage, SessionSnapshot } from "../session-port.ts";
import { childSpec, MAX_DEPTH, SPAWN_AGENT, type SpawnOrder, spawnSchema } from "../spawn.ts";
import type { ToolResult } from "../tool-port.ts";
import { toTotals } from "../view.ts";
import { seedOf, untilOver } from "./attached.ts";
import { failure, success } from "./results.ts";
import { ATTACHES, defineTool, type ToolSession } from "./tool.ts";

const MAX_RESETS = 40;
const RESET_PAUSE_MS = 250;

/** What has come of what the sub-agent was told; no reply of one that cannot go on. */
type Outcome = Pick<SentMessage, "reply" | "session">;

export const spawnAgent = defineTool({
  name: SPAWN_AGENT,
  description:
    "Has a sub-agent do something by itself, and answers with what it says at its end. It has your codebase, the files that you have written, and your tools and skills, works beside you on the same files, and pays from your budget. Several calls in one step work side by side.",
  scopes: ["agents:write", "agents:execute"],
  max_depth: MAX_DEPTH - 1,
  ...ATTACHES,
  input: spawnSchema,
  run: (session, order) => spawn(session, session.deps.services.agents, order),
});

export type SpawningSession = Omit<ToolSession, "deps" | "workspace">;

/** What the sub-agent has come to; one that is stopped, or did not come to its end, is an error. */
export async function spawn(
  session: SpawningSession,
  agents: AgentService,
  order: SpawnOrder,
): Promise<ToolResult> {
  const { principal, project_id, signal } = session;
  const id = resourceId(seedOf(session), project_id);
  const child: Child = { id, session, agents };
  const begin = () => throughResets(() => carryOut(child, order));
  const end = () => throughResets(() => agents.command(principal, id, { type: "terminate" }));
  const run = { begin, find: null, isOver: () => true, cancel: end };
  const outcome = await untilOver(run, signal).catch(async (error: unknown) => {
    // Nobody would wait for it any more; of what could not be made there is nothing to end.
    await end().catch(() => undefined);
    throw error;
  });
  if (outcome === null) return failure(`The sub-agent ${id} was stopped.`);
  await end();
  return toResult(id, order, outcome);
}

interface Child {
  readonly id: string;
  readonly session: SpawningSession;
  readonly agents: AgentService;
}

/** Does it again when the sub-agent's object was reset under it: what was done is not done twice. */
async function throughResets<T>(action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if (!wasReset(error) || tries >= MAX_RESETS) throw error;
      await scheduler.wait(RESET_PAUSE_MS);
    }
  }
}

/** Each part is done once, whichever of them a crash came between. */
async function carryOut(child: Child, order: SpawnOrder): Promise<Outcome> {
  const { session, agents } = child;
  const { principal, project_id, session_id, above, call, signal } = session;
  await agents.create(principal, seedOf(session), {
    spec: childSpec({ ...session, ...session.setup }, order),
    project_id,
    initialize_wait_ms: signal.aborted ? null : 0,
    parent: { id: session_id, call: call.key, depth: above.length, above },
  });
  let outcome = await tell(child, "prompt", order.prompt);
  for (let sent = 0; sent < MAX_REMINDERS && isResultMissing(order, outcome); sent += 1) {
    outcome = await tell(child, `reminder/${sent}`, REMINDER);
  }
  return outcome;
}

/** Tells it something, once, and waits until that is done, or cannot be. */
async function tell(child: Child, name: string, content: string): Promise<Outcome> {
  const { id, session, agents } = child;
  const { principal, signal } = session;
  const message = { content, attachments: [], policy: "enqueue", wait_ms: 0 } as const;
  for (;;) {
    const sent = await agents
      .send(principal, id, seedFrom(id, name), message)
      .catch((error: unknown) => whereItStands(child, error));
    if (!("message_id" in sent)) return sent;
    if (sent.reply !== null || isOver(sent.session) || signal.aborted) return sent;
    const follow = await agents.events(principal, id, sent.session.seq);
    const isEnd = endOfMessage(sent);
    for await (const event of follow?.(signal) ?? []) {
      if (isEnd(event) || event.type === "session.failed") break;
    }
  }
}

/** Of one that takes no message, since it is over. */
async function whereItStands({ id, session, agents }: Child, error: unknown): Promise<Outcome> {
  const snapshot = await agents.get(session.principal, id);
  if (error instanceof ApiError && isOver(snapshot)) return { reply: null, session: snapshot };
  throw error;
}

function isOver({ state }: SessionSnapshot): boolean {
  return state === "terminated" || state === "error";
}

function isResultMissing({ outputs }: SpawnOrder, { reply }: Outcome): boolean {
  return outputs !== undefined && reply?.stop_reason === "end_turn" && reply.result === null;
}

function toResult(id: string, order: SpawnOrder, { reply, session }: Outcome): ToolResult {
  const { input_tokens, output_tokens, total_cost_usd, iteration_count } = toTotals(session);
  const about: Json = {
    agent_id: id,
    text: reply?.text ?? "",
    stop_reason: reply?.stop_reason ?? session.state,
    usage: { input_tokens, output_tokens, cost_usd: total_cost_usd, steps: iteration_count },
  };
  const result = order.outputs === undefined ? {} : { result: reply?.result ?? null };
  if (reply?.stop_reason === "end_turn" && result.result !== null) {
    return success({ ...about, ...result });
  }
  const missing = "It ended without handing in its result.";
  const why = session.error?.message ?? "It did not come to its end.";
  return failure({ ...about, error: reply?.stop_reason === "end_turn" ? missing : why });
}
