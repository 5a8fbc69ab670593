/** The Connect protocol with JSON, as far as a server of unary calls and server streams needs it. */
import { z } from "zod";
import type { Exchange } from "./exchange.ts";
import type { DropPlan } from "./faults.ts";

/** Codes, with the HTTP status that a unary call answers with. */
const STATUS_OF_CODE = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401,
} as const;
export type RpcCode = keyof typeof STATUS_OF_CODE;

export class RpcError extends Error {
  readonly code: RpcCode;

  constructor(code: RpcCode, message: string) {
    super(message);
    this.code = code;
  }
}

export const UNARY_TYPE = "application/json";
export const STREAM_TYPE = "application/connect+json";

/** Longer timers fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const HEADER_BYTES = 5;
const COMPRESSED = 0x01;
const END_OF_STREAM = 0x02;

/** `[flags: 1 byte][length: 4 bytes, big-endian][JSON]` */
function envelope(flags: number, message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message), "utf8");
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(flags, 0);
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

function openEnvelope(bytes: Buffer): string {
  if (bytes.length < HEADER_BYTES) throw new RpcError("invalid_argument", "the request is cut off");
  if (bytes.readUInt8(0) & COMPRESSED) {
    throw new RpcError("unimplemented", "compressed messages are not understood");
  }
  const end = HEADER_BYTES + bytes.readUInt32BE(1);
  if (bytes.length !== end) throw new RpcError("invalid_argument", "it is not one whole message");
  return bytes.toString("utf8", HEADER_BYTES, end);
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RpcError("invalid_argument", "the message is not JSON");
  }
  const outcome = schema.safeParse(value);
  if (outcome.success) return outcome.data;
  throw new RpcError("invalid_argument", z.prettifyError(outcome.error));
}

const rpcError = (error: unknown) =>
  error instanceof RpcError ? error : new RpcError("internal", String(error));

/** A message without the fields that have their type's zero value, as protobuf's JSON leaves them out. */
export function withoutZeros(message: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isZero = (value: unknown) =>
    value === undefined ||
    value === 0 ||
    value === "0" ||
    value === "" ||
    value === false ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(message).filter(([, value]) => !isZero(value)));
}

/** Milliseconds of the request's own deadline; 0 for none. */
export function timeoutOf(exchange: Exchange): number {
  const text = exchange.header("connect-timeout-ms") ?? "0";
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text), MAX_TIMER_MS);
  throw new RpcError("invalid_argument", `Connect-Timeout-Ms is "${text}"`);
}

function hasType(exchange: Exchange, type: string): boolean {
  const given = exchange.header("content-type")?.split(";")[0]?.trim();
  if (exchange.method === "POST" && given === type) return true;
  const allow = { "accept-post": type, allow: "POST" };
  exchange.response.writeHead(exchange.method === "POST" ? 415 : 405, allow).end();
  return false;
}

/** Answers one unary call. */
export async function answerUnary<T>(
  exchange: Exchange,
  schema: z.ZodType<T>,
  handle: (message: T) => Promise<object> | object,
): Promise<void> {
  if (!hasType(exchange, UNARY_TYPE)) return;
  try {
    const text = (await exchange.bytes()).toString("utf8");
    const answer = await handle(parse(schema, text === "" ? "{}" : text));
    exchange.response.writeHead(200, { "content-type": UNARY_TYPE }).end(JSON.stringify(answer));
  } catch (error) {
    const { code, message } = rpcError(error);
    exchange.response
      .writeHead(STATUS_OF_CODE[code], { "content-type": UNARY_TYPE })
      .end(JSON.stringify({ code, message }));
  }
}

/** The messages that a server sends on one stream. */
export class RpcStream {
  readonly #exchange: Exchange;
  readonly #drop: DropPlan | null;
  readonly #timers: NodeJS.Timeout[] = [];
  #sentBytes = 0;
  #isOver = false;

  constructor(exchange: Exchange, drop: DropPlan | null) {
    this.#exchange = exchange;
    this.#drop = drop;
    exchange.response.once("close", () => this.#close());
    if (drop?.afterMs !== undefined) this.after(drop.afterMs, () => exchange.drop());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Calls back once unless the stream is over by then. */
  after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }

  #close(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #write(bytes: Buffer): Promise<void> | undefined {
    const { response } = this.#exchange;
    if (!response.headersSent) response.writeHead(200, { "content-type": STREAM_TYPE });
    const limit = this.#drop?.afterBytes;
    if (limit === undefined || this.#sentBytes + bytes.length < limit) {
      this.#sentBytes += bytes.length;
      return this.#exchange.write(bytes);
    }
    this.#isOver = true;
    response.write(bytes.subarray(0, limit - this.#sentBytes), () => this.#exchange.drop());
    return;
  }

  send(message: object): Promise<void> | undefined {
    return this.#isOver ? undefined : this.#write(envelope(0, message));
  }

  /** Ends the stream, with an error when there is one. */
  end(error?: RpcError): void {
    if (this.#isOver) return;
    const trailer = error ? { error: { code: error.code, message: error.message } } : {};
    this.#write(envelope(END_OF_STREAM, trailer));
    if (!this.#isOver) this.#exchange.response.end();
    this.#close();
  }
}

/** Answers one call with a stream; `handle` leaves it open and ends it when it is done. */
export async function answerStream<T>(
  exchange: Exchange,
  schema: z.ZodType<T>,
  drop: () => DropPlan | null,
  handle: (message: T, stream: RpcStream) => Promise<void>,
): Promise<void> {
  if (!hasType(exchange, STREAM_TYPE)) return;
  const bytes = await exchange.bytes();
  const stream = new RpcStream(exchange, drop());
  try {
    await handle(parse(schema, openEnvelope(bytes)), stream);
  } catch (error) {
    stream.end(rpcError(error));
  }
}
