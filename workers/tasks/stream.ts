/** What of a task is read as a stream: events as SSE, output as text. */
import { z } from "@hono/zod-openapi";
import type { AppContext, Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { rangeHeaders, readRange } from "../http/range.ts";
import { idSchema, timestamp } from "../http/schemas.ts";
import { eventStream, lastEventId, type SseEvent } from "../http/sse.ts";
import { readData } from "../runs/events.ts";
import type { EventRow } from "../runs/store-types.ts";
import type { Principal } from "../security/principal.ts";
import type { EventSource } from "./service.ts";

const params = z.object({ task_id: idSchema });
const number = (message: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,8}$/, message)
    .transform(Number);
const run = number("Send the number of a run, from 1.")
  .optional()
  .openapi({ type: "integer", minimum: 1, description: "The newest unless said." });
const tags = ["Tasks"];
const TEXT = "text/plain; charset=utf-8";

export function wantsEvents(c: AppContext): boolean {
  return (c.req.header("accept") ?? "").includes("text/event-stream");
}

/** The events of a run as SSE; 204, which ends a client's reconnecting, when all has been told. */
export async function streamTask(
  c: AppContext,
  principal: Principal,
  taskId: string,
  runNumber: number | null,
  after: number,
): Promise<Response> {
  const source = await c.get("services").tasks.events(principal, taskId, runNumber, after);
  if (!source) return new Response(null, { status: 204 });
  return eventStream(c, (signal) => toSse(source, signal));
}

export function taskStreamRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/events",
      operationId: "streamTaskEvents",
      tags,
      summary: "Follow a run's events, live and from the beginning",
      description:
        "Server-sent events; `id` is the event's seq, and `Last-Event-ID` resumes after one without gap or repeat. The stream ends with the run; 204 says that nothing follows.",
      scope: "tasks:read",
      request: { params, query: z.strictObject({ run }) },
      responses: {
        200: { description: "The events.", content: { "text/event-stream": z.string() } },
        204: { description: "The run has ended and all of it has been told." },
      },
    },
    async (c, { principal, params: { task_id }, query }) =>
      streamTask(c, principal, task_id, query.run ?? null, lastEventId(c) ?? 0),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/logs",
      operationId: "readTaskLogs",
      tags,
      summary: "Read a run's output as text",
      description:
        "Both streams in the order of their writing, of every attempt, unless narrowed. `Range: bytes=…` reads a part; `follow=true` goes on until the run ends.",
      scope: "tasks:read",
      request: {
        params,
        headers: z.object({ range: z.string().max(200).optional() }),
        query: z.strictObject({
          run,
          attempt: number("Send the number of an attempt, from 1.")
            .optional()
            .openapi({ type: "integer", minimum: 1 }),
          stream: z.enum(["stdout", "stderr"]).optional(),
          follow: z.enum(["true", "false"]).default("false"),
        }),
      },
      responses: {
        200: { description: "The output.", content: { "text/plain": z.string() } },
        206: { description: "The part asked for.", content: { "text/plain": z.string() } },
      },
      errors: ["range_not_satisfiable"],
    },
    async (c, { principal, params: { task_id }, query, headers }) => {
      const { tasks } = c.get("services");
      const wanted = {
        run: query.run ?? null,
        step: null,
        attempt: query.attempt ?? null,
        stream: query.stream ?? null,
      };
      if (query.follow === "true") {
        const source = await tasks.events(principal, task_id, wanted.run, 0);
        return textStream(c, (signal) => (source ? outputOf(source, wanted, signal) : none()));
      }
      const { total } = await tasks.log(principal, task_id, { ...wanted, from: 0, to: 0 });
      const range = readRange(headers.range, total);
      const { offset, length } = range ?? { offset: 0, length: total };
      const read = (from: number) =>
        tasks.log(principal, task_id, { ...wanted, from, to: offset + length });
      // Of a known length, so that a client notices when the connection breaks.
      const body =
        c.req.method === "HEAD"
          ? null
          : pages(read, offset, offset + length).pipeThrough(new FixedLengthStream(length));
      return new Response(body, {
        status: range ? 206 : 200,
        headers: {
          "Content-Type": TEXT,
          "Content-Length": String(length),
          ...rangeHeaders(range, total),
        },
      });
    },
  );
}

async function* toSse(source: EventSource, signal: AbortSignal): AsyncGenerator<SseEvent> {
  for await (const event of source.follow(signal)) {
    yield { id: String(event.seq), event: event.type, data: toWire(event) };
  }
}

function toWire(event: EventRow) {
  const { seq, run: runNumber, type } = event;
  return { seq, type, at: timestamp(event.at), run: runNumber, ...readData(event) };
}

interface Wanted {
  readonly attempt: number | null;
  readonly stream: string | null;
}

async function* outputOf(source: EventSource, wanted: Wanted, signal: AbortSignal) {
  for await (const event of source.follow(signal)) {
    if (event.type !== "log") continue;
    const { attempt, stream, text } = readData(event);
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
