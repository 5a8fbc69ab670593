/**
 * The Tasks extension (`io.modelcontextprotocol/tasks`): a call that takes long is handed over as a task,
 * which is a run that PIPELZR keeps anyway. Nothing is kept for the protocol.
 */
import type { CallToolResult, McpServer, ServerContext } from "@modelcontextprotocol/server";
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { ApiError } from "../http/errors.ts";
import { timestamp } from "../http/schemas.ts";
import { requireScope } from "../security/principal.ts";
import { recorded } from "./audit.ts";
import type { Caller } from "./caller.ts";
import { LONG_RUNS } from "./long-runs/index.ts";
import type { Decision, LongRun, LongRunKindPort, Question } from "./long-runs/long-run.ts";
import { asKnown } from "./results.ts";
import { type LongRunRef, readTaskId, writeTaskId } from "./task-id.ts";

export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";
const POLL_INTERVAL_MS = 1_000;

const taskParams = z.looseObject({ taskId: z.string() });

/** What a client answers to an elicitation. */
const responseSchema = z.discriminatedUnion("action", [
  z.object({
    action: z.literal("accept"),
    content: z.object({ approved: z.boolean(), comment: z.string().max(4_000).optional() }),
  }),
  z.object({ action: z.enum(["decline", "cancel"]) }),
]);

const DECISION_SCHEMA = {
  type: "object",
  properties: {
    approved: { type: "boolean", title: "Approve", description: "No refuses it." },
    comment: { type: "string", title: "Comment", description: "Kept with the decision." },
  },
  required: ["approved"],
} as const;

/** Whether the request's client follows tasks. */
export function followsTasks(context: ServerContext): boolean {
  return capabilitiesOf(context)?.extensions?.[TASKS_EXTENSION] !== undefined;
}

/** The answer to a call that is handed over. */
export async function createTask(caller: Caller, ref: LongRunRef): Promise<CallToolResult> {
  const run = await LONG_RUNS[ref.kind].read(caller, ref);
  return { resultType: "task", ...describe(ref, run), status: "working", content: [] };
}

/** Serves the extension's methods. */
export function serveTasks(server: McpServer["server"], caller: Caller): void {
  server.setRequestHandler("tasks/get", { params: taskParams }, ({ taskId }, context) =>
    within(context, caller, async () => {
      const { ref, kind } = find(taskId);
      requireScope(caller.principal, kind.scopes.read);
      const run = await kind.read(caller, ref);
      const asks = mayAnswer(caller, kind, context);
      return { ...describe(ref, run), ...outcomeOf(run, asks) };
    }),
  );
  server.setRequestHandler("tasks/cancel", { params: taskParams }, ({ taskId }, context) =>
    within(context, caller, async () => {
      const { ref, kind } = find(taskId);
      return changing(caller, "tasks/cancel", { taskId }, ref, async () => {
        requireScope(caller.principal, kind.scopes.act);
        await kind.cancel(caller, ref).catch(unlessOver);
      });
    }),
  );
  server.setRequestHandler("tasks/update", { params: taskParams }, ({ taskId }, context) =>
    within(context, caller, async () => {
      const { ref, kind } = find(taskId);
      const { inputResponses } = context.mcpReq;
      return changing(caller, "tasks/update", { taskId, inputResponses }, ref, async () => {
        requireScope(caller.principal, kind.scopes.decide);
        const { questions } = await kind.read(caller, ref);
        for (const { key, step } of questions) {
          const decision = decisionOf(inputResponses?.[key]);
          if (decision !== null) await kind.decide(caller, ref, step, decision).catch(unlessOver);
        }
      });
    }),
  );
}

/** Does something to what goes on, and writes it down. */
async function changing(
  caller: Caller,
  action: string,
  sent: unknown,
  { kind, id }: LongRunRef,
  work: () => Promise<void>,
): Promise<Record<string, never>> {
  const about = { entity_type: kind, entity_id: id };
  await recorded(caller, { action, sent, changes: true }, work, () => ({ about }));
  return {};
}

/** Null for an answer that decides nothing, after which the question stays open. */
function decisionOf(response: unknown): Decision | null {
  const { data } = responseSchema.safeParse(response);
  if (data?.action === "accept") {
    return { approved: data.content.approved, comment: data.content.comment ?? null };
  }
  return data?.action === "decline" ? { approved: false, comment: null } : null;
}

/** Refuses clients that do not follow tasks; errors become those of the protocol. */
async function within<Result>(
  context: ServerContext,
  caller: Caller,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!followsTasks(context)) {
    throw new MissingRequiredClientCapabilityError({
      requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
    });
  }
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    const { code, detail, status } = asKnown(error, caller);
    if (status >= 500) throw new ProtocolError(ProtocolErrorCode.InternalError, detail);
    if (code === "not_found") throw unknownTask();
    throw new ProtocolError(ProtocolErrorCode.InvalidRequest, detail);
  }
}

function find(taskId: string) {
  const ref = readTaskId(taskId);
  if (ref === null) throw unknownTask();
  return { ref, kind: LONG_RUNS[ref.kind] };
}

function unknownTask(): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    "No such task exists in the project of this caller.",
  );
}

function describe(ref: LongRunRef, { created_at, updated_at, message }: LongRun) {
  return {
    taskId: writeTaskId(ref),
    statusMessage: message,
    createdAt: timestamp(created_at),
    lastUpdatedAt: timestamp(updated_at),
    // Runs are kept until they are deleted.
    ttlMs: null,
    pollIntervalMs: POLL_INTERVAL_MS,
  };
}

/** A run that failed is a result that is an error: `failed` is the protocol's own failures. */
function outcomeOf({ status, result, questions }: LongRun, asks: boolean) {
  if (status === "cancelled") return { status: "cancelled" };
  if (result !== null) return { status: "completed", result };
  if (!asks || questions.length === 0) return { status: "working" };
  const inputRequests = Object.fromEntries(questions.map((each) => [each.key, toRequest(each)]));
  return { status: "input_required", inputRequests };
}

function toRequest({ message }: Question) {
  return {
    method: "elicitation/create",
    params: { mode: "form", message, requestedSchema: DECISION_SCHEMA },
  };
}

/** Whether the client can ask a person, whose answer the caller may give. */
function mayAnswer({ principal }: Caller, kind: LongRunKindPort, context: ServerContext): boolean {
  const asks = capabilitiesOf(context)?.elicitation !== undefined;
  return asks && principal.scopes.has(kind.scopes.decide);
}

const envelopeSchema = z.looseObject({
  [CLIENT_CAPABILITIES_META_KEY]: z.looseObject({
    extensions: z.record(z.string(), z.unknown()).optional(),
    elicitation: z.unknown().optional(),
  }),
});

/** Of a request of 2026-07-28; older ones name none. */
function capabilitiesOf(context: ServerContext) {
  return envelopeSchema.safeParse(context.mcpReq.envelope).data?.[CLIENT_CAPABILITIES_META_KEY];
}

/** What has ended, or was decided already, is as it was asked to be. */
function unlessOver(error: unknown): void {
  if (error instanceof ApiError && error.code === "illegal_transition") return;
  throw error;
}
