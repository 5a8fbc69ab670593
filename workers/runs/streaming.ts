/** What of a run is read as a stream: events as SSE or over a WebSocket, output as text, files. */
import { z } from "@hono/zod-openapi";
import type { AppContext } from "../http/context.ts";
import { eventSocket } from "../http/event-socket.ts";
import { rangeHeaders, readRange } from "../http/range.ts";
import { timestamp } from "../http/schemas.ts";
import { eventStream, type SseEvent } from "../http/sse.ts";
import { artifactDigest } from "./blobs.ts";
import { readData } from "./events.ts";
import type { LogQuery, LogSlice } from "./logs.ts";
import type { EventRow } from "./store-types.ts";
import { ordinal } from "./wire.ts";

const TEXT = "text/plain; charset=utf-8";

/** The events of one run, those to come included, until it ends. */
export interface EventSource {
  readonly run: number;
  follow(signal: AbortSignal): AsyncGenerator<EventRow>;
}

/** Events as SSE; 204, which ends a client's reconnecting, when all has been told. */
export function streamEvents(c: AppContext, source: EventSource | null): Response {
  if (!source) return new Response(null, { status: 204 });
  return eventStream(c, (signal) => toSse(source, signal));
}

async function* toSse(source: EventSource, signal: AbortSignal): AsyncGenerator<SseEvent> {
  for await (const event of source.follow(signal)) {
    yield { id: String(event.seq), event: event.type, data: toWire(event) };
  }
}

/** An event as clients read it, by whatever transport. */
function toWire(event: EventRow) {
  const { seq, run, type } = event;
  return { seq, type, at: timestamp(event.at), run, ...readData(event) };
}

/** The same as messages of a WebSocket. */
export function socketOf(c: AppContext, source: EventSource | null): Response {
  return eventSocket(c, source && ((signal) => toMessages(source, signal)));
}

async function* toMessages(source: EventSource, signal: AbortSignal) {
  for await (const event of source.follow(signal)) yield toWire(event);
}

/** The query parameters of a run's output, beside `run`. */
export const logParameters = {
  attempt: ordinal("Send the number of an attempt, from 1.")
    .optional()
    .openapi({ type: "integer", minimum: 1 }),
  stream: z.enum(["stdout", "stderr"]).optional(),
  follow: z.enum(["true", "false"]).default("false"),
};

export const rangeHeader = z.object({ range: z.string().max(200).optional() });

export const LOG_RESPONSES = {
  200: { description: "The output.", content: { "text/plain": z.string() } },
  206: { description: "The part asked for.", content: { "text/plain": z.string() } },
} as const;

/** Which output is meant. */
export type LogSelection = Pick<LogQuery, "run" | "step" | "attempt" | "stream">;

export interface LogReader {
  log(query: LogQuery): Promise<LogSlice>;
}

/** Output as text, whole or the part that `Range` asks for, of a known length. */
export async function logResponse(
  c: AppContext,
  reader: LogReader,
  selection: LogSelection,
): Promise<Response> {
  const { total } = await reader.log({ ...selection, from: 0, to: 0 });
  const range = readRange(c.req.header("range"), total);
  const { offset, length } = range ?? { offset: 0, length: total };
  const read = (from: number) => reader.log({ ...selection, from, to: offset + length });
  // Of a known length, so that a client notices when the connection breaks.
  const body =
    c.req.method === "HEAD"
      ? null
      : pages(read, offset, offset + length).pipeThrough(new FixedLengthStream(length));
  const headers = {
    "Content-Type": TEXT,
    "Content-Length": String(length),
    ...rangeHeaders(range, total),
  };
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** Output as text, going on until the run ends. */
export function followLog(
  c: AppContext,
  source: EventSource | null,
  selection: LogSelection,
): Response {
  return textStream(c, (signal) => (source ? outputOf(source, selection, signal) : none()));
}

async function* outputOf(source: EventSource, wanted: LogSelection, signal: AbortSignal) {
  for await (const event of source.follow(signal)) {
    if (event.type !== "log") continue;
    const { step, attempt, stream, text } = readData(event);
    if (wanted.step !== null && wanted.step !== step) continue;
    if (wanted.attempt !== null && wanted.attempt !== attempt) continue;
    if (wanted.stream !== null && wanted.stream !== stream) continue;
    yield String(text);
  }
}

async function* none(): AsyncGenerator<string> {
  // A run that has ended without output leaves nothing to follow.
}

function textStream(
  c: AppContext,
  open: (signal: AbortSignal) => AsyncGenerator<string>,
): Response {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const source = open(gone.signal);
  c.req.raw.signal.addEventListener("abort", () => gone.abort(), { once: true });
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await source.next();
      if (next.done) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    async cancel() {
      gone.abort();
      await source.return(undefined);
    },
  });
  const headers = { "Content-Type": TEXT, "Cache-Control": "no-store" };
  return new Response(c.req.method === "HEAD" ? null : body, { headers });
}

/** Reads [from, to) slice by slice, each when the reader is ready for it. */
function pages(
  read: (from: number) => Promise<{ readonly body: Uint8Array }>,
  from: number,
  to: number,
): ReadableStream<Uint8Array> {
  let offset = from;
  return new ReadableStream({
    async pull(controller) {
      const { body } = offset < to ? await read(offset) : { body: new Uint8Array() };
      if (body.byteLength === 0) {
        controller.close();
        return;
      }
      offset += body.byteLength;
      controller.enqueue(body);
    },
  });
}

/** A kept file, as it is; a browser saves it and never shows it. */
export function download(object: R2ObjectBody): Response {
  const sha256 = artifactDigest(object);
  return new Response(object.body, {
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Length": String(object.size),
      "Content-Disposition": "attachment",
      ETag: sha256 === null ? object.httpEtag : `"${sha256}"`,
    },
  });
}
