/**
 * The child's side of the NDJSON stream. A run that ends within its first turns is answered at once,
 * in a header if it is short; one that writes earlier is answered with a stream that follows it.
 *
 * Globals are captured here, while the harness starts: the task's code comes later and may replace
 * them for itself, but not for the protocol.
 */
import { MAX_LOG_BYTES } from "../../port.ts";
import {
  FRAMES_HEADER,
  FRAMES_SEPARATOR,
  type Frame,
  type LastFrame,
  MAX_HEADER_CHARS,
} from "../frames.ts";

const { stringify } = JSON;
const { setTimeout } = globalThis;
const Body = ReadableStream;
const Reply = Response;
const Future = Promise;
const encoder = new TextEncoder();
const encode = encoder.encode.bind(encoder);

const MAX_CHUNK_CHARS = 1 << 20;
const FITS_HEADER = /^[\n -~]*$/;
/** A timer keeps the runtime from taking an answer that is held open for one that hangs. */
const HOLD_MS = 30_000;

/** A place near `end` that does not split a surrogate pair. */
function chunkEnd(text: string, end: number): number {
  const unit = text.charCodeAt(end - 1);
  return end < text.length && unit >= 0xd800 && unit <= 0xdbff ? end - 1 : end;
}

function answerOf(lines: string): Response {
  try {
    if (lines.length <= MAX_HEADER_CHARS && FITS_HEADER.test(lines)) {
      const frames = lines.slice(0, -1).replaceAll("\n", FRAMES_SEPARATOR);
      return new Reply(null, { headers: { [FRAMES_HEADER]: frames } });
    }
  } catch {
    // What the header needs has been replaced by the task's code: the body carries it.
  }
  return new Reply(lines);
}

export class Channel {
  /** The answer to the parent, as soon as it is known which kind it is. */
  readonly response: Promise<Response>;
  #respond: (response: Response) => void = () => {};
  /** Output not yet in a line; consecutive writes to one stream share a line. */
  #pending: { stream: "stdout" | "stderr"; text: string } | null = null;
  #lines = "";
  #logCharsLeft = MAX_LOG_BYTES + 1;
  #isScheduled = false;
  #isStreaming = false;
  readonly #isHeld: boolean;
  #hasEnded = false;
  #wake: (() => void) | null = null;
  #drained: (() => void) | null = null;

  /** `isHeld` keeps the answer open after its last frame, until the parent hangs up. */
  constructor(isHeld: boolean) {
    this.#isHeld = isHeld;
    this.response = new Future((resolve) => {
      this.#respond = resolve;
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Sends output with the current turn of the event loop. Nothing is sent after the end. */
  log(stream: "stdout" | "stderr", text: string): void {
    if (this.#hasEnded || text === "" || this.#logCharsLeft <= 0) return;
    // Characters never exceed bytes, so the parent always sees more than its limit before this stops.
    const kept = text.length > this.#logCharsLeft ? text.slice(0, this.#logCharsLeft) : text;
    this.#logCharsLeft -= kept.length;
    if (this.#pending?.stream === stream && this.#pending.text.length < MAX_CHUNK_CHARS) {
      this.#pending.text += kept;
    } else {
      this.#settlePending();
      this.#pending = { stream, text: kept };
    }
    if (!this.#isScheduled) this.#schedule();
  }

  /** Sends a frame and waits until the parent has taken it, so that large ones do not pile up. */
  async send(frame: Frame): Promise<void> {
    this.#settlePending();
    this.#lines += `${stringify(frame)}\n`;
    this.#flush();
    if (this.#lines === "") return;
    await new Future<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Sends the last frame and ends. */
  end(frame: LastFrame): void {
    this.endWith(stringify(frame));
  }

  /** As `end`, for a frame that is JSON text already. */
  endWith(line: string): void {
    if (this.#hasEnded) return;
    this.#settlePending();
    this.#lines += `${line}\n`;
    this.#hasEnded = true;
    if (this.#isStreaming) {
      this.#wake?.();
    } else if (this.#isHeld) {
      this.#stream();
    } else {
      this.#respond(answerOf(this.#lines));
    }
  }

  #schedule(): void {
    try {
      setTimeout(() => this.#flush(), 0);
      this.#isScheduled = true;
    } catch {
      // A module that is being loaded may not set timers: what it logs goes with what follows it.
    }
  }

  #settlePending(): void {
    if (this.#pending === null) return;
    const { stream, text } = this.#pending;
    this.#pending = null;
    for (let start = 0; start < text.length; ) {
      const end = chunkEnd(text, Math.min(text.length, start + MAX_CHUNK_CHARS));
      this.#lines += `${stringify([stream, text.slice(start, end)])}\n`;
      start = end;
    }
  }

  #flush(): void {
    this.#isScheduled = false;
    if (this.#hasEnded) return;
    this.#settlePending();
    if (this.#isStreaming) {
      this.#wake?.();
      return;
    }
    this.#stream();
  }

  #stream(): void {
    this.#isStreaming = true;
    this.#respond(
      new Reply(new Body<Uint8Array>({ pull: (controller) => this.#pull(controller) })),
    );
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#lines === "" && !this.#hasEnded) {
      await new Future<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = null;
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") controller.enqueue(encode(lines));
    while (this.#hasEnded && this.#isHeld && lines === "") {
      await new Future<void>((resolve) => {
        setTimeout(resolve, HOLD_MS);
      });
    }
    if (this.#hasEnded && !this.#isHeld) controller.close();
    this.#drained?.();
    this.#drained = null;
  }
}
