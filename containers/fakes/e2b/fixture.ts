/** A client of the wire itself for the tests, with nothing of the SDK in it. */
import { expect, onTestFinished } from "vitest";
import { z } from "zod";
import { type FakeE2B, type FakeE2BOptions, startFakeE2B } from "./server.ts";

const HEADER_BYTES = 5;
const END_OF_STREAM = 0x02;
/** Far above what anything takes, for machines that are busy with other work. */
const PATIENCE_MS = 15_000;

const handleSchema = z.looseObject({
  sandboxID: z.string(),
  envdAccessToken: z.string().optional(),
});
export type Handle = z.output<typeof handleSchema>;

const eventSchema = z.strictObject({
  event: z.strictObject({
    start: z.strictObject({ pid: z.int() }).optional(),
    data: z
      .strictObject({ stdout: z.base64().optional(), stderr: z.base64().optional() })
      .optional(),
    keepalive: z.strictObject({}).optional(),
    end: z
      .strictObject({
        exitCode: z.int().optional(),
        exited: z.boolean().optional(),
        status: z.string(),
        error: z.string().optional(),
      })
      .optional(),
  }),
});
export type ProcessEvent = z.output<typeof eventSchema>["event"];

const trailerSchema = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
});

/** Expects something of a value once, whenever that comes. */
export function eventually<T>(value: () => T) {
  return expect.poll(value, { timeout: PATIENCE_MS, interval: 20 });
}

/** Starts a fake that ends with the test that is running. */
export async function fakeFor(options: FakeE2BOptions = {}): Promise<FakeE2B> {
  const fake = await startFakeE2B(options);
  onTestFinished(() => fake.stop());
  return fake;
}

export function control(
  fake: FakeE2B,
  method: string,
  path: string,
  body?: unknown,
): Promise<Response> {
  return fetch(fake.apiUrl + path, {
    method,
    headers: { "x-api-key": fake.apiKey, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

export async function create(fake: FakeE2B, body: object = {}): Promise<Handle> {
  const response = await control(fake, "POST", "/v2/sandboxes", {
    templateID: "base",
    timeout: 60,
    ...body,
  });
  return handleSchema.parse(await response.json());
}

/** A request to a port of a sandbox, by the headers that route it. */
export function enter(
  fake: FakeE2B,
  { sandboxID, envdAccessToken }: Handle,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("e2b-sandbox-id", sandboxID);
  headers.set("e2b-sandbox-port", headers.get("e2b-sandbox-port") ?? "49983");
  if (envdAccessToken !== undefined) headers.set("x-access-token", envdAccessToken);
  return fetch(fake.sandboxUrl + path, { ...init, headers });
}

/** A unary call of Connect. */
export function unary(
  fake: FakeE2B,
  handle: Handle,
  method: string,
  message: object,
): Promise<Response> {
  return enter(fake, handle, `/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", "connect-protocol-version": "1" },
    body: JSON.stringify(message),
  });
}

export function envelope(message: object, flags = 0): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(flags, 0);
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

/** One stream of a process: its events one by one, and how it ended. */
export class EventStream {
  readonly response: Response;
  readonly #abort: AbortController;
  readonly #events: AsyncGenerator<ProcessEvent>;
  trailer: z.output<typeof trailerSchema> | null = null;
  stdout = Buffer.alloc(0);
  stderr = Buffer.alloc(0);
  /** The sizes of the chunks as they came. */
  readonly chunkBytes: number[] = [];

  constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#events = this.#read();
  }

  async *#read(): AsyncGenerator<ProcessEvent> {
    let buffer = Buffer.alloc(0);
    for await (const chunk of this.response.body ?? []) {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= HEADER_BYTES) {
        const end = HEADER_BYTES + buffer.readUInt32BE(1);
        if (buffer.length < end) break;
        const message: unknown = JSON.parse(buffer.toString("utf8", HEADER_BYTES, end));
        const flags = buffer.readUInt8(0);
        buffer = buffer.subarray(end);
        if (flags === END_OF_STREAM) this.trailer = trailerSchema.parse(message);
        else yield this.#keep(eventSchema.parse(message).event);
      }
    }
  }

  #keep(event: ProcessEvent): ProcessEvent {
    for (const name of ["stdout", "stderr"] as const) {
      const text = event.data?.[name];
      if (text === undefined) continue;
      const bytes = Buffer.from(text, "base64");
      this.chunkBytes.push(bytes.length);
      this[name] = Buffer.concat([this[name], bytes]);
    }
    return event;
  }

  /** Reads on to an event of a kind; throws when the stream ends before. */
  async next(kind: keyof ProcessEvent): Promise<ProcessEvent> {
    for (;;) {
      const { value, done } = await this.#events.next();
      if (done)
        throw new Error(`The stream ended, without ${kind}, by ${JSON.stringify(this.trailer)}`);
      if (value[kind]) return value;
    }
  }

  /** Reads until standard output has a text. */
  async until(text: string): Promise<void> {
    while (!this.stdout.includes(text)) await this.next("data");
  }

  async pid(): Promise<number> {
    return (await this.next("start")).start?.pid ?? 0;
  }

  /** Reads to the end; resolves with the events that came. */
  async rest(): Promise<ProcessEvent[]> {
    const events: ProcessEvent[] = [];
    for (;;) {
      const { value, done } = await this.#events.next();
      if (done) return events;
      events.push(value);
    }
  }

  detach(): void {
    this.#abort.abort();
  }
}

export async function stream(
  fake: FakeE2B,
  handle: Handle,
  method: "Start" | "Connect",
  message: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStream> {
  const abort = new AbortController();
  const response = await enter(fake, handle, `/process.Process/${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/connect+json",
      "connect-protocol-version": "1",
      ...headers,
    },
    body: envelope(message),
    signal: abort.signal,
  });
  return new EventStream(response, abort);
}

/** Starts a line of bash as the SDK does. */
export function bash(
  fake: FakeE2B,
  handle: Handle,
  line: string,
  {
    headers = {},
    process = {},
    ...rest
  }: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly process?: object;
    readonly tag?: string;
    readonly stdin?: boolean;
  } = {},
): Promise<EventStream> {
  const message = {
    process: { cmd: "/bin/bash", args: ["-l", "-c", line], envs: {}, ...process },
    stdin: false,
    ...rest,
  };
  return stream(fake, handle, "Start", message, headers);
}

/** What a line of shell wrote to standard output. */
export async function outputOf(fake: FakeE2B, handle: Handle, line: string): Promise<string> {
  const process = { cmd: "/bin/sh", args: ["-c", line] };
  const run = await stream(fake, handle, "Start", { process, stdin: false });
  await run.rest();
  return run.stdout.toString("utf8");
}
