/** Follows a log of events: what there is by pages, and what comes by a watcher's socket. */
import { ApiError } from "../http/errors.ts";
import type { FeedMessage } from "./feed.ts";

/** Pushed events that wait for a slow reader; past it they are dropped and read by pages later. */
const MAX_QUEUED_CHARS = 1024 * 1024;

/** Pause before a watcher's lost socket is opened again. */
const REOPEN_MS = 250;

export interface Followed<Event extends { readonly seq: number }> {
  /** Opens a watcher's socket; a 404 says that nothing will follow. */
  open(): Promise<Response>;
  /** Events after a seq; an empty page is the end of what there is, `ended` that no more will come. */
  page(cursor: number): Promise<{ readonly events: readonly Event[]; readonly ended: boolean }>;
  /** Whether an event is told; of others only the seq counts. */
  isWanted(event: Event): boolean;
  /** The last event there is. */
  isLast(event: Event): boolean;
  readonly after: number;
  readonly signal: AbortSignal;
}

/** Replays by pages, then goes on with what is pushed; a gap or a lost socket leads back to pages. */
export async function* follow<Event extends { readonly seq: number }>(
  followed: Followed<Event>,
): AsyncGenerator<Event> {
  const { signal } = followed;
  const open = () => openInbox<Event>(() => followed.open(), signal);
  let cursor = followed.after;
  let inbox = await open();
  /** Yields what is new; returns true at the end, also for who claims to know it. */
  function* take(events: readonly Event[]): Generator<Event, boolean> {
    for (const event of events) {
      if (event.seq > cursor) {
        cursor = event.seq;
        if (followed.isWanted(event)) yield event;
      }
      if (followed.isLast(event)) return true;
    }
    return false;
  }
  try {
    while (inbox !== null && !signal.aborted) {
      const { events, ended } = await followed.page(cursor);
      if (yield* take(events)) return;
      if (events.length > 0) continue;
      if (ended) return;
      for (let pushed = await inbox.next(); pushed; pushed = await inbox.next()) {
        const [first] = pushed;
        if (!first || first.seq > cursor + 1) break;
        if (yield* take(pushed)) return;
      }
      if (!inbox.closed() || signal.aborted) continue;
      await scheduler.wait(REOPEN_MS);
      inbox = await open();
    }
  } finally {
    inbox?.close();
  }
}

interface Inbox<Event> {
  /** The next pushed events; null once the socket is closed or the reader is gone. */
  next(): Promise<readonly Event[] | null>;
  closed(): boolean;
  close(): void;
}

/** Null when what is followed is gone, so that nothing will follow. */
async function openInbox<Event>(
  open: () => Promise<Response>,
  signal: AbortSignal,
): Promise<Inbox<Event> | null> {
  const response = await open();
  if (response.status === 404) return null;
  const socket = response.webSocket;
  if (!socket)
    throw new ApiError("unavailable", "The event stream could not be opened. Try again.");
  let messages: (readonly Event[])[] = [];
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
      const { events }: FeedMessage<Event> = JSON.parse(text);
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
