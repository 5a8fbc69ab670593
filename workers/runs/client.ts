/** How services reach the coordinator of a resource: by id, with refusals turned into API errors. */

import { ApiError, type Issue, notFound } from "../http/errors.ts";
import { objectOf, type Placement } from "./address.ts";
import type { RunCoordinatorBase } from "./coordinator.ts";
import type { Explanation } from "./explain.ts";
import type { FeedMessage } from "./feed.ts";
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
import type {
  EventRow,
  RerunPlan,
  RunInspection,
  RunSummary,
  Snapshot,
  StepDetail,
} from "./store-types.ts";
import type { AttemptView } from "./views.ts";

/** Pushed events that wait for a slow reader; past it they are dropped and read by pages later. */
const MAX_QUEUED_CHARS = 1024 * 1024;

/** Pause before a watcher's lost socket is opened again. */
const REOPEN_MS = 250;

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
      follow(
        () => openInbox(namespace.getByName(objectOf(id, placement)), id, signal),
        (cursor) => page(id, run, cursor).catch(endIfGone),
        { run, after, signal },
      ),
  };
}

/** The object was reset under the call: what it had committed counts, and it can be asked again. */
function wasReset(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ["durableObjectReset", "retryable"].some((flag) => Reflect.get(error, flag) === true);
}

/** A resource that was deleted has told all there is. */
function endIfGone(error: unknown): EventPage {
  if (error instanceof ApiError && error.code === "not_found") return { events: [], ended: true };
  throw error;
}

interface FollowInput {
  readonly run: number;
  readonly after: number;
  readonly signal: AbortSignal;
}

/** Replays by pages, then goes on with what is pushed; a gap or a lost socket leads back to pages. */
async function* follow(
  open: () => Promise<Inbox | null>,
  page: (cursor: number) => Promise<EventPage>,
  input: FollowInput,
): AsyncGenerator<EventRow> {
  let cursor = input.after;
  let inbox = await open();
  /** Yields what is new; returns true at the end of the run, also for who claims to know it. */
  function* take(events: readonly EventRow[]): Generator<EventRow, boolean> {
    for (const event of events) {
      const isOurs = event.run === input.run;
      if (event.seq > cursor) {
        cursor = event.seq;
        if (isOurs) yield event;
      }
      if (isOurs && RUN_ENDS.has(event.type)) return true;
    }
    return false;
  }
  try {
    while (inbox !== null && !input.signal.aborted) {
      const { events, ended } = await page(cursor);
      if (yield* take(events)) return;
      if (events.length > 0) continue;
      if (ended) return;
      for (let pushed = await inbox.next(); pushed; pushed = await inbox.next()) {
        const [first] = pushed;
        if (!first || first.seq > cursor + 1) break;
        if (yield* take(pushed)) return;
      }
      if (!inbox.closed() || input.signal.aborted) continue;
      await scheduler.wait(REOPEN_MS);
      inbox = await open();
    }
  } finally {
    inbox?.close();
  }
}

interface Inbox {
  /** The next pushed events; null once the socket is closed or the reader is gone. */
  next(): Promise<readonly EventRow[] | null>;
  closed(): boolean;
  close(): void;
}

/** Null when the resource is gone, so that nothing will follow. */
async function openInbox(stub: Stub, id: string, signal: AbortSignal): Promise<Inbox | null> {
  const response = await stub.fetch(`https://coordinator/?id=${encodeURIComponent(id)}`, {
    headers: { Upgrade: "websocket" },
  });
  if (response.status === 404) return null;
  const socket = response.webSocket;
  if (!socket)
    throw new ApiError("unavailable", "The event stream could not be opened. Try again.");
  let messages: (readonly EventRow[])[] = [];
  let queuedChars = 0;
  let closed = signal.aborted;
  let wake: (() => void) | null = null;
  const end = () => {
    closed = true;
    wake?.();
  };
  socket.addEventListener("message", (message) => {
    const text = String(message.data);
    queuedChars += text.length;
    if (queuedChars > MAX_QUEUED_CHARS) {
      // A slow reader is sent back to pages by an empty message, in place of what it has missed.
      messages = [[]];
    } else {
      const { events }: FeedMessage = JSON.parse(text);
      messages.push(events);
    }
    wake?.();
  });
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  signal.addEventListener("abort", end, { once: true });
  socket.accept();
  return {
    async next() {
      while (messages.length === 0 && !closed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const next = messages.shift() ?? null;
      if (messages.length === 0) queuedChars = 0;
      return next;
    },
    closed: () => closed && messages.length === 0,
    close() {
      closed = true;
      socket.close(1000);
    },
  };
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
