/**
 * A small client of envd's `process.Process/Start`: the Connect protocol with JSON. The SDK's own
 * keeps all output of a process in memory for as long as its handle lives.
 */
import { z } from "zod";
import type { LogStream } from "../port.ts";
import { SandboxUnreachable } from "./sandbox.ts";

/** Where the envd of one sandbox answers, and what lets a caller in. */
export interface EnvdAddress {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export type ProcessEvent =
  | { readonly type: "data"; readonly stream: LogStream; readonly bytes: Uint8Array }
  | { readonly type: "ended"; readonly exit_code: number };

const HEADER_BYTES = 5;
const COMPRESSED = 0x01;
const END_OF_STREAM = 0x02;
/** envd sends chunks of 32 KiB at most; whatever is far above is no message of its. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const KEEPALIVE_SECONDS = 10;
/** A stream on which not even keepalives come is dead, whatever TCP believes. */
const SILENCE_MS = 25_000;

const messageSchema = z.object({
  event: z.object({
    data: z.object({ stdout: z.string().optional(), stderr: z.string().optional() }).optional(),
    /** Fields of value zero are left out. */
    end: z.object({ exitCode: z.int().default(0), exited: z.boolean().default(false) }).optional(),
  }),
});
const trailerSchema = z.object({
  error: z
    .object({ code: z.string().default("unknown"), message: z.string().default("") })
    .optional(),
});

function envelope(message: object): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const bytes = new Uint8Array(HEADER_BYTES + body.byteLength);
  new DataView(bytes.buffer).setUint32(1, body.byteLength);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** Puts messages together from the pieces in which they arrive. */
export class Envelopes {
  #buffer = new Uint8Array(0);

  push(piece: Uint8Array): void {
    const joined = new Uint8Array(this.#buffer.byteLength + piece.byteLength);
    joined.set(this.#buffer);
    joined.set(piece, this.#buffer.byteLength);
    this.#buffer = joined;
  }

  next(): { readonly flags: number; readonly message: unknown } | null {
    const buffer = this.#buffer;
    if (buffer.byteLength < HEADER_BYTES) return null;
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    const length = view.getUint32(1);
    const flags = view.getUint8(0);
    if (length > MAX_MESSAGE_BYTES || flags & COMPRESSED) {
      throw new SandboxUnreachable("the sandbox's stream holds no messages of envd");
    }
    const end = HEADER_BYTES + length;
    if (buffer.byteLength < end) return null;
    const text = new TextDecoder().decode(buffer.subarray(HEADER_BYTES, end));
    this.#buffer = buffer.subarray(end);
    try {
      return { flags, message: JSON.parse(text) };
    } catch {
      throw new SandboxUnreachable("the sandbox's stream holds a message that is not JSON");
    }
  }
}

function* eventsOf(message: unknown): Generator<ProcessEvent> {
  const parsed = messageSchema.safeParse(message);
  if (!parsed.success) throw new SandboxUnreachable("the sandbox's stream holds an odd message");
  const { data, end } = parsed.data.event;
  for (const stream of ["stdout", "stderr"] as const) {
    const text = data?.[stream];
    if (text) yield { type: "data", stream, bytes: Buffer.from(text, "base64") };
  }
  if (end) yield { type: "ended", exit_code: end.exited || end.exitCode !== 0 ? end.exitCode : -1 };
}

/** Aborts when nothing was heard for SILENCE_MS, or when the caller's signal does. */
class Watch {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(signal: AbortSignal | null) {
    if (signal?.aborted) this.#controller.abort(signal.reason);
    signal?.addEventListener("abort", () => this.#controller.abort(signal.reason), { once: true });
    this.heard();
  }

  heard(): void {
    this.end();
    this.#timer = setTimeout(() => this.#controller.abort("silence"), SILENCE_MS);
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

async function open(
  { url, headers }: EnvdAddress,
  command: readonly string[],
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const [cmd, ...args] = command;
  const response = await fetch(`${url}/process.Process/Start`, {
    method: "POST",
    headers: {
      ...headers,
      "Content-Type": "application/connect+json",
      "Connect-Protocol-Version": "1",
      "Keepalive-Ping-Interval": String(KEEPALIVE_SECONDS),
    },
    body: envelope({ process: { cmd, args }, stdin: false }),
    signal,
  });
  if (response.ok && response.body !== null) return response.body;
  await response.body?.cancel();
  throw new SandboxUnreachable(`the sandbox answered ${response.status} to the start of a process`);
}

/**
 * Starts a process and yields what it writes until it ends. Throws SandboxUnreachable when the
 * stream breaks, which leaves the process running; an abort ends the stream alone as well.
 */
export async function* startProcess(
  address: EnvdAddress,
  command: readonly string[],
  signal: AbortSignal | null = null,
): AsyncGenerator<ProcessEvent> {
  const watch = new Watch(signal);
  const envelopes = new Envelopes();
  try {
    const body = await open(address, command, watch.signal);
    for await (const piece of body) {
      watch.heard();
      envelopes.push(piece);
      for (let found = envelopes.next(); found; found = envelopes.next()) {
        if (found.flags !== END_OF_STREAM) {
          yield* eventsOf(found.message);
          continue;
        }
        const { error } = trailerSchema.parse(found.message);
        if (error) throw new SandboxUnreachable(`the process's stream ended: ${error.message}`);
        return;
      }
    }
    throw new SandboxUnreachable("the process's stream broke off");
  } catch (error) {
    throw error instanceof SandboxUnreachable ? error : SandboxUnreachable.of(error);
  } finally {
    watch.end();
  }
}
