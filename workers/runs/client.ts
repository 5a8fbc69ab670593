/** How services reach the coordinator of a resource: by id, with refusals turned into API errors. */

import { ApiError, type Issue, notFound } from "../http/errors.ts";
import { objectOf, type Placement } from "./address.ts";
import type { RunCoordinatorBase } from "./coordinator.ts";
import type { Explanation } from "./explain.ts";
import { follow } from "./follow.ts";
import type { LogQuery, LogSlice } from "./logs.ts";
import type {
  ApprovalInput,
  CreateInput,
  EventPage,
  Refusal,
  RerunInput,
  RetryInput,
  SignalInput,
  StartInput,
} from "./requests.ts";
import { wasReset } from "./resets.ts";
import type {
  EventRow,
  RerunPlan,
  RunInspection,
  RunSummary,
  Snapshot,
  StepDetail,
} from "./store-types.ts";
import type { AttemptView } from "./views.ts";

type Namespace = DurableObjectNamespace<RunCoordinatorBase>;
type Stub = DurableObjectStub<RunCoordinatorBase>;

const RUN_ENDS: ReadonlySet<string> = new Set(["run.completed", "run.failed", "run.cancelled"]);

export interface RunClient {
  create(input: CreateInput): Promise<Snapshot>;
  read(id: string, run?: number | null): Promise<Snapshot>;
  projectOf(id: string): Promise<string>;
  execute(id: string, input: StartInput): Promise<Snapshot>;
  retry(id: string, input: RetryInput): Promise<Snapshot>;
  /** What `retry` would do with the same input. */
  planRetry(id: string, input: RerunInput): Promise<RerunPlan>;
  /** Null is the newest live run, here and below. */
  cancel(id: string, run?: number | null, triggeredBy?: string | null): Promise<Snapshot>;
  pause(id: string, run: number | null, mode: "boundary" | "now"): Promise<Snapshot>;
  resume(id: string, run: number | null): Promise<Snapshot>;
  approve(id: string, run: number | null, input: ApprovalInput): Promise<Snapshot>;
  signal(id: string, run: number | null, input: SignalInput): Promise<Snapshot>;
  /** Runs below `before` (null: from the newest), newest first. */
  runs(id: string, before: number | null, limit: number): Promise<readonly RunSummary[]>;
  inspect(id: string, run: number | null): Promise<RunInspection>;
  /** A step, or an item of a group as `name[2]`. */
  step(id: string, run: number | null, name: string): Promise<StepDetail>;
  /** `revision` is checked too unless it is null. */
  edit(id: string, document: string, version: number, revision: number | null): Promise<Snapshot>;
  remove(id: string, revision: number | null): Promise<void>;
  attempts(id: string, run: number | null): Promise<readonly AttemptView[]>;
  log(id: string, query: LogQuery): Promise<LogSlice>;
  why(id: string): Promise<Explanation>;
  events(id: string, run: number, after: number): Promise<EventPage>;
  /** Events of a run after `after`, those to come included, until the run ends. */
  follow(id: string, run: number, after: number, signal: AbortSignal): AsyncGenerator<EventRow>;
}

/** Wakes the object of a resource, which takes up what it finds unfinished. */
export async function callOnRun(
  namespace: Namespace,
  id: string,
  placement: Placement,
): Promise<void> {
  await namespace.getByName(objectOf(id, placement)).wake();
}

/** `kind` is what the resource is called in messages. */
export function createRunClient(
  namespace: Namespace,
  kind: string,
  placement: Placement = "shared",
): RunClient {
  /** Calls the object; `again` repeats a call that a reset of the object cut off. */
  const call = async <T extends object>(
    id: string,
    again: boolean,
    operation: (stub: Stub, repeated: boolean) => Promise<T>,
  ): Promise<Exclude<T, Refusal>> => {
    const attempt = (repeated: boolean) =>
      operation(namespace.getByName(objectOf(id, placement)), repeated);
    const answer = await attempt(false).catch((error: unknown) => {
      if (again && wasReset(error)) return attempt(true);
      throw error;
    });
    const accepted = (given: T): given is Exclude<T, Refusal> => !isRefusal(given);
    if (accepted(answer)) return answer;
    throw refusal(kind, id, answer);
  };
  const page = (id: string, run: number, after: number) =>
    call(id, true, async (stub) => stub.events(id, run, after));
  return {
    create: (input) => call(input.id, true, async (stub) => stub.create(input)),
    projectOf: async (id) => (await call(id, true, async (stub) => stub.owner(id))).project_id,
    read: (id, run = null) => call(id, true, async (stub) => stub.read(id, run)),
    execute: (id, input) => call(id, true, async (stub) => stub.execute(id, input)),
    retry: (id, input) => call(id, true, async (stub) => stub.retry(id, input)),
    planRetry: (id, input) => call(id, true, async (stub) => stub.planRetry(id, input)),
    cancel: (id, run = null, triggeredBy = null) =>
      call(id, true, async (stub, repeated) => stub.cancel(id, run, repeated, triggeredBy)),
    pause: (id, run, mode) => call(id, true, async (stub) => stub.pause(id, run, mode)),
    resume: (id, run) => call(id, false, async (stub) => stub.resume(id, run)),
    approve: (id, run, input) => call(id, false, async (stub) => stub.approve(id, run, input)),
    signal: (id, run, input) => call(id, true, async (stub) => stub.signal(id, run, input)),
    runs: (id, before, limit) => call(id, true, async (stub) => stub.runs(id, before, limit)),
    inspect: (id, run) => call(id, true, async (stub) => stub.inspect(id, run)),
    step: (id, run, name) => call(id, true, async (stub) => stub.step(id, run, name)),
    edit: (id, document, version, revision) =>
      call(id, false, async (stub) => stub.edit(id, document, version, revision)),
    remove: async (id, revision) => {
      await call(id, false, async (stub) => stub.remove(id, revision));
    },
    attempts: (id, run) => call(id, true, async (stub) => stub.attempts(id, run)),
    log: (id, query) => call(id, true, async (stub) => stub.log(id, query)),
    why: (id) => call(id, true, async (stub) => stub.why(id)),
    events: page,
    follow: (id, run, after, signal) =>
      follow({
        open: () => openFeed(namespace.getByName(objectOf(id, placement)), id),
        page: (cursor) => page(id, run, cursor).catch(endIfGone),
        isWanted: (event) => event.run === run,
        isLast: (event) => event.run === run && RUN_ENDS.has(event.type),
        after,
        signal,
      }),
  };
}

/** A resource that was deleted has told all there is. */
function endIfGone(error: unknown): EventPage {
  if (error instanceof ApiError && error.code === "not_found") return { events: [], ended: true };
  throw error;
}

function openFeed(stub: Stub, id: string): Promise<Response> {
  return stub.fetch(`https://coordinator/?id=${encodeURIComponent(id)}`, {
    headers: { Upgrade: "websocket" },
  });
}

function isRefusal(answer: object): answer is Refusal {
  return "refused" in answer;
}

/** `member` is what the request calls the inputs, which the paths are relative to. */
export function invalidInputs(issues: readonly Issue[], member: string): ApiError {
  return new ApiError(
    "validation_failed",
    "The inputs are not what the definition's `inputs` says; correct what is listed.",
    { issues: issues.map(({ path, message }) => ({ path: `${member}${path}`, message })) },
  );
}

function refusal(kind: string, id: string, refused: object): ApiError {
  if (!isRefusal(refused)) return notFound(kind, id);
  switch (refused.refused) {
    case "not_found":
      return notFound(kind, id);
    case "version":
      return new ApiError(
        "precondition_failed",
        `The ${kind} changed since you read it. Read it again and repeat the change.`,
      );
    case "busy":
      return new ApiError(
        "unavailable",
        `The object that would run this ${kind} has too much under way. Try again in a few seconds, or spread the load.`,
        { headers: { "Retry-After": "5" } },
      );
    case "inputs":
      return invalidInputs(refused.issues, "inputs");
    case "references":
      return new ApiError(
        "validation_failed",
        `What the ${kind} names is not to be had; correct what is listed.`,
        { issues: refused.issues },
      );
    case "unknown_step": {
      const known = refused.known.slice(0, 20).join(", ");
      return new ApiError("validation_failed", `The ${kind} has no step "${refused.step}".`, {
        issues: [{ path: "from", message: `Name one of its steps: ${known}.` }],
      });
    }
    case "illegal": {
      const options =
        refused.allowed.length > 0 ? `Allowed now: ${refused.allowed.join(", ")}.` : "";
      return new ApiError(
        "illegal_transition",
        `The ${kind} is ${refused.state}. ${refused.detail} ${options}`.trim(),
        {
          members: { state: refused.state, allowed: refused.allowed },
        },
      );
    }
  }
}
