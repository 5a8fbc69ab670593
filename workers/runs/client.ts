/** How services reach the coordinator of a resource: by id, with refusals turned into API errors. */

import { ApiError, notFound } from "../http/errors.ts";
import { objectName } from "./address.ts";
import type {
  CreateInput,
  EventPage,
  Refusal,
  RunCoordinatorBase,
  StartInput,
} from "./coordinator.ts";
import type { Explanation } from "./explain.ts";
import type { FeedMessage } from "./feed.ts";
import type { LogQuery, LogSlice } from "./logs.ts";
import type { EventRow, Snapshot } from "./store-types.ts";
import type { AttemptView } from "./views.ts";

type Namespace = DurableObjectNamespace<RunCoordinatorBase>;

const RUN_ENDS: ReadonlySet<string> = new Set(["run.completed", "run.failed", "run.cancelled"]);

export interface RunClient {
  create(input: CreateInput): Promise<Snapshot>;
  read(id: string, run?: number | null): Promise<Snapshot>;
  execute(id: string, input: StartInput): Promise<Snapshot>;
  retry(id: string, input: StartInput & { readonly max_retries: number }): Promise<Snapshot>;
  cancel(id: string): Promise<Snapshot>;
  edit(id: string, document: string, version: number): Promise<Snapshot>;
  remove(id: string, revision: number | null): Promise<void>;
  attempts(id: string, run: number | null): Promise<readonly AttemptView[]>;
  log(id: string, query: LogQuery): Promise<LogSlice>;
  why(id: string): Promise<Explanation>;
  events(id: string, run: number, after: number): Promise<EventPage>;
  /** Events of a run after `after`, those to come included, until the run ends. */
  follow(id: string, run: number, after: number, signal: AbortSignal): AsyncGenerator<EventRow>;
}

/** Wakes the object of a resource, which takes up what it finds unfinished. */
export async function callOnRun(namespace: Namespace, id: string): Promise<void> {
  await namespace.getByName(objectName(id)).wake();
}

/** `kind` is what the resource is called in messages. */
export function createRunClient(namespace: Namespace, kind: string): RunClient {
  const stub = (id: string) => namespace.getByName(objectName(id));
  const settle = <T extends object>(id: string, answer: T): Exclude<T, Refusal> => {
    const accepted = (given: T): given is Exclude<T, Refusal> => !isRefusal(given);
    if (accepted(answer)) return answer;
    throw refusal(kind, id, answer);
  };
  return {
    create: (input) => stub(input.id).create(input),
    read: async (id, run = null) => settle(id, await stub(id).read(id, run)),
    execute: async (id, input) => settle(id, await stub(id).execute(id, input)),
    retry: async (id, input) => settle(id, await stub(id).retry(id, input)),
    cancel: async (id) => settle(id, await stub(id).cancel(id)),
    edit: async (id, document, version) => settle(id, await stub(id).edit(id, document, version)),
    remove: async (id, revision) => {
      settle(id, await stub(id).remove(id, revision));
    },
    attempts: async (id, run) => settle(id, await stub(id).attempts(id, run)),
    log: async (id, query) => settle(id, await stub(id).log(id, query)),
    why: async (id) => settle(id, await stub(id).why(id)),
    events: async (id, run, after) => settle(id, await stub(id).events(id, run, after)),
    follow(id, run, after, signal) {
      return follow(
        stub(id),
        async (cursor) => settle(id, await stub(id).events(id, run, cursor)),
        {
          id,
          run,
          after,
          signal,
        },
      );
    },
  };
}

interface FollowInput {
  readonly id: string;
  readonly run: number;
  readonly after: number;
  readonly signal: AbortSignal;
}

/** Replays by pages, then goes on with what is pushed; a gap is filled by another page. */
async function* follow(
  stub: DurableObjectStub<RunCoordinatorBase>,
  page: (cursor: number) => Promise<EventPage>,
  input: FollowInput,
): AsyncGenerator<EventRow> {
  const inbox = await openInbox(stub, input.id, input.signal);
  let cursor = input.after;
  try {
    while (!input.signal.aborted) {
      const { events, ended } = await page(cursor);
      for (const event of events) {
        cursor = event.seq;
        if (event.run !== input.run) continue;
        yield event;
        if (RUN_ENDS.has(event.type)) return;
      }
      if (events.length > 0) continue;
      if (ended) return;
      for (let pushed = await inbox.next(); pushed; pushed = await inbox.next()) {
        const [first] = pushed;
        if (!first || first.seq > cursor + 1) break;
        for (const event of pushed) {
          if (event.seq <= cursor) continue;
          cursor = event.seq;
          if (event.run !== input.run) continue;
          yield event;
          if (RUN_ENDS.has(event.type)) return;
        }
      }
      if (inbox.closed()) return;
    }
  } finally {
    inbox.close();
  }
}

interface Inbox {
  /** The next pushed events; null once the socket is closed or the reader is gone. */
  next(): Promise<readonly EventRow[] | null>;
  closed(): boolean;
  close(): void;
}

async function openInbox(
  stub: DurableObjectStub<RunCoordinatorBase>,
  id: string,
  signal: AbortSignal,
): Promise<Inbox> {
  const response = await stub.fetch(`https://coordinator/?id=${encodeURIComponent(id)}`, {
    headers: { Upgrade: "websocket" },
  });
  const socket = response.webSocket;
  if (!socket)
    throw new ApiError("unavailable", "The event stream could not be opened. Try again.");
  const messages: (readonly EventRow[])[] = [];
  let closed = signal.aborted;
  let wake: (() => void) | null = null;
  const end = () => {
    closed = true;
    wake?.();
  };
  socket.addEventListener("message", (message) => {
    const { events }: FeedMessage = JSON.parse(String(message.data));
    messages.push(events);
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
      return messages.shift() ?? null;
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
