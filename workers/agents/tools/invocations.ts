/** Skills as tools invoke them: by id and version, as a part of the session's turn. */
import type { Json } from "../../http/json.ts";
import { invocationId } from "../../runs/nesting.ts";
import { readDocument } from "../../skills/invocation-document.ts";
import type { FoundInvocation } from "../../skills/invocation-service.ts";
import { toInvocation } from "../../skills/invocation-view.ts";
import type { VersionName } from "../../skills/reference.ts";
import { freeObject } from "../../tasks/fields.ts";
import type { ToolResult } from "../tool-port.ts";
import { seedOf, untilOver } from "./attached.ts";
import { failure, success, tailOf } from "./results.ts";
import type { ToolSession } from "./tool.ts";

const MAX_LOG_CHARS = 8_000;

export async function invokeForSession(
  session: ToolSession,
  skill: string,
  version: VersionName,
  given: Json,
): Promise<ToolResult> {
  const { principal, project_id, session_id, call, signal, deps } = session;
  const parsed = freeObject.safeParse(given);
  if (!parsed.success) return failure("A skill takes an object of inputs; send one.");
  const { invocations } = deps.services;
  const seed = seedOf(session);
  const id = invocationId(seed, project_id, 0);
  const found = await untilOver(
    {
      begin: (wait_ms) =>
        invocations.invoke(principal, seed, {
          ...{ skill, project_id, version, inputs: parsed.data, wait_ms },
          context: null,
          parent: { kind: "agent", id: session_id, run: call.turn },
        }),
      find: () => invocations.get(principal, id),
      isOver: ({ snapshot }) => snapshot.run?.completed_at != null,
      cancel: () => invocations.cancel(principal, id),
    },
    signal,
  );
  if (found === null) return failure(`The skill "${skill}" was stopped.`);
  return { ...toResult(found), ...costOf(found) };
}

function toResult({ snapshot, outputs }: FoundInvocation): ToolResult {
  const { id, slug, state, success: succeeded, error, stderr } = toInvocation(snapshot, outputs);
  if (succeeded === true) return success(outputs);
  const logged = stderr === null || stderr === "" ? {} : { stderr: tailOf(stderr, MAX_LOG_CHARS) };
  return failure({ invocation_id: id, skill: slug, state, error, ...logged });
}

/** Time on a machine that is paid for. */
function costOf({ snapshot: { resource, run } }: FoundInvocation): { sandbox_ms?: number } {
  const { implementation } = readDocument(resource).skill.content;
  const isRemote = "executor" in implementation && implementation.executor !== "local";
  if (!isRemote || run?.started_at == null || run.completed_at == null) return {};
  return { sandbox_ms: run.completed_at - run.started_at };
}
