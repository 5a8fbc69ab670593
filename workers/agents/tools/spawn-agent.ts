import { ApiError } from "../../http/errors.ts";
import type { Json } from "../../http/json.ts";
import { resourceId, seedFrom } from "../../runs/address.ts";
import { endOfMessage } from "../message-end.ts";
import { MAX_REMINDERS, REMINDER } from "../result-tool.ts";
import type { SentMessage, SessionSnapshot } from "../session-port.ts";
import { childSpec, MAX_DEPTH, SPAWN_AGENT, type SpawnOrder, spawnSchema } from "../spawn.ts";
import type { ToolResult } from "../tool-port.ts";
import { toTotals } from "../view.ts";
import { seedOf, untilOver } from "./attached.ts";
import { failure, success } from "./results.ts";
import { ATTACHES, defineTool, type ToolSession } from "./tool.ts";

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
  async run(session, order) {
    const { principal, project_id, signal, deps } = session;
    const { agents } = deps.services;
    const id = resourceId(seedOf(session), project_id);
    const end = () => agents.command(principal, id, { type: "terminate" });
    const outcome = await untilOver(
      { begin: () => carryOut(session, id, order), find: null, isOver: () => true, cancel: end },
      signal,
    );
    if (outcome === null) return failure(`The sub-agent ${id} was stopped.`);
    await end();
    return toResult(id, order, outcome);
  },
});

/** Each part is done once, whichever of them a crash came between. */
async function carryOut(session: ToolSession, id: string, order: SpawnOrder): Promise<Outcome> {
  const { principal, project_id, session_id, above, call, signal, deps } = session;
  await deps.services.agents.create(principal, seedOf(session), {
    spec: childSpec({ ...session, ...session.setup }, order),
    project_id,
    initialize_wait_ms: signal.aborted ? null : 0,
    parent: { id: session_id, call: call.key, depth: above.length, above },
  });
  let outcome = await told(session, id, "prompt", order.prompt);
  for (let sent = 0; sent < MAX_REMINDERS && isResultMissing(order, outcome); sent += 1) {
    outcome = await told(session, id, `reminder/${sent}`, REMINDER);
  }
  return outcome;
}

/** Tells it something, once, and waits until that is done, or cannot be. */
async function told(
  session: ToolSession,
  id: string,
  name: string,
  content: string,
): Promise<Outcome> {
  const { principal, signal, deps } = session;
  const { agents } = deps.services;
  for (;;) {
    const sent = await agents
      .send(principal, id, seedFrom(id, name), {
        ...{ content, attachments: [], policy: "enqueue", wait_ms: 0 },
      })
      .catch(async (error: unknown) => {
        const snapshot = await agents.get(principal, id);
        if (error instanceof ApiError && isOver(snapshot)) return snapshot;
        throw error;
      });
    if (!("message_id" in sent)) return { reply: null, session: sent };
    if (sent.reply !== null || isOver(sent.session) || signal.aborted) return sent;
    const follow = await agents.events(principal, id, sent.session.seq);
    const isEnd = endOfMessage(sent);
    for await (const event of follow?.(signal) ?? []) {
      if (isEnd(event) || event.type === "session.failed") break;
    }
  }
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
