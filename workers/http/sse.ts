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
  const events = source(gone.signal)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const requestId = c.get("requestId");
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  const stop = async (): Promise<void> => {
    clearInterval(heartbeat);
    gone.abort();
    await events.return?.().catch(() => undefined);
  };
  c.req.raw.signal.addEventListener("abort", () => void stop(), { once: true });
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
      heartbeat = setInterval(() => {
        // A reader that does not read is not sent more; its buffer stays bounded.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(": \n\n"));
      }, options.heartbeat_ms ?? HEARTBEAT_MS);
    },
    async pull(controller) {
      try {
        const next = await events.next();
        if (gone.signal.aborted) return;
        if (next.done === true) {
          clearInterval(heartbeat);
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(formatEvent(next.value)));
      } catch (error) {
        logWarning("event_stream_ended", error, { request_id: requestId });
        await stop();
        controller.close();
      }
    },
    cancel: stop,
  });
  return new Response(body, { headers });
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
