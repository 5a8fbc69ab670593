/** Server-sent events: resumable by `Last-Event-ID`, kept open by heartbeats, stopped by the reader. */
import type { AppContext } from "./context.ts";
import { logWarning } from "./log.ts";

export const HEARTBEAT_MS = 15_000;
export const RETRY_MS = 1_000;

export interface SseEvent {
  /** What the client sends back as `Last-Event-ID`. */
  readonly id?: string;
  readonly event?: string;
  /** Written as JSON unless it is text already. */
  readonly data: unknown;
}

export interface SseOptions {
  readonly heartbeat_ms?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Streams what `source` yields. The signal aborts when the client is gone, and the source's
 * `return` is called in every case, so that it can close what it reads from. A source that throws
 * ends the stream; the client comes back by itself with the last id that it saw.
 */
export function eventStream(
  c: AppContext,
  source: (signal: AbortSignal) => AsyncIterable<SseEvent>,
  options: SseOptions = {},
): Response {
  const headers = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    ...options.headers,
  };
  if (c.req.method === "HEAD") return new Response(null, { headers });
  const gone = new AbortController();
  // The runtime's own: what JavaScript enqueues by itself costs several times as much on its way out.
  const { readable, writable } = new IdentityTransformStream();
  const pump = new Pump(source(gone.signal), writable.getWriter(), () => gone.abort());
  c.req.raw.signal.addEventListener("abort", () => void pump.stop(), { once: true });
  void pump.run(options.heartbeat_ms ?? HEARTBEAT_MS, c.get("requestId"));
  return new Response(readable, { headers });
}

/** Writes what a source yields, as fast as it is read. */
class Pump {
  readonly #events: AsyncIterator<SseEvent>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #gone: () => void;
  readonly #encoder = new TextEncoder();
  #isWriting = false;
  #isOver = false;

  constructor(
    source: AsyncIterable<SseEvent>,
    writer: WritableStreamDefaultWriter<Uint8Array>,
    gone: () => void,
  ) {
    this.#events = source[Symbol.asyncIterator]();
    this.#writer = writer;
    this.#gone = gone;
    // A reader that goes while nothing is written.
    writer.closed.catch(() => this.stop());
  }

  async run(heartbeatMs: number, requestId: string): Promise<void> {
    const heartbeat = setInterval(() => {
      // A reader that does not read is not sent more; what waits for it stays bounded.
      if (!this.#isWriting) this.#write(": \n\n").catch(() => this.stop());
    }, heartbeatMs);
    try {
      await this.#write(`retry: ${RETRY_MS}\n\n`);
      for (;;) {
        const next = await this.#events.next();
        if (this.#isOver || next.done === true) break;
        await this.#write(formatEvent(next.value));
      }
      if (!this.#isOver) await this.#writer.close();
    } catch (error) {
      if (this.#isOver) return;
      logWarning("event_stream_ended", error, { request_id: requestId });
      await this.stop();
      await this.#writer.close().catch(() => undefined);
    } finally {
      clearInterval(heartbeat);
    }
  }

  /** The reader is gone, or the source has failed. */
  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#gone();
    await this.#events.return?.().catch(() => undefined);
  }

  async #write(text: string): Promise<void> {
    this.#isWriting = true;
    try {
      await this.#writer.write(this.#encoder.encode(text));
    } finally {
      this.#isWriting = false;
    }
  }
}

/** Whether the caller asks for an event stream. */
export function wantsEvents(c: AppContext): boolean {
  return (c.req.header("accept") ?? "").includes("text/event-stream");
}

/** One event as the wire has it; a line break in the data begins a new `data:` line. */
export function formatEvent(event: SseEvent): string {
  const data = typeof event.data === "string" ? event.data : JSON.stringify(event.data);
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  const id = event.id === undefined ? "" : `id: ${oneLine(event.id)}\n`;
  const name = event.event === undefined ? "" : `event: ${oneLine(event.event)}\n`;
  return `${id}${name}${lines.join("")}\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]/g, "");
}

/** Where a client wants to go on: `Last-Event-ID`, an unsigned integer; null for the beginning. */
export function lastEventId(c: AppContext): number | null {
  const sent = c.req.header("last-event-id");
  return sent !== undefined && /^\d{1,15}$/.test(sent) ? Number(sent) : null;
}
