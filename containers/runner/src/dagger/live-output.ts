/**
 * The output of the task's exec, as its log records come. Records of other execs of the session are
 * left out: the task's own are those of the span whose streams begin with the nonce.
 *
 * Everything that was passed on is remembered, so that it can be held against the engine's files.
 */
import type { LogStream } from "../../../../workers/executors/port.ts";
import type { LogRecord } from "./log-records.ts";
import { missingPieces } from "./missing-pieces.ts";
import type { OutputEntry } from "./protocol.ts";

interface Stream {
  /** Begins with the nonce until that is complete; null afterwards. */
  pending: string | null;
  readonly chunks: string[];
  /** In UTF-8, without the nonce. */
  bytes: number;
}

const newStream = (): Stream => ({ pending: "", chunks: [], bytes: 0 });

export class LiveOutput {
  readonly #nonce: string;
  readonly #emit: (entries: OutputEntry[]) => void;
  /** Null is a stream of another exec. */
  readonly #candidates = new Map<string, Stream | null>();
  readonly #own: Record<LogStream, Stream> = { stdout: newStream(), stderr: newStream() };
  readonly #open = new Set<LogStream>(["stdout", "stderr"]);
  readonly #ended = Promise.withResolvers<void>();
  #isQuiet = false;

  constructor(nonce: string, emit: (entries: OutputEntry[]) => void) {
    this.#nonce = nonce;
    this.#emit = emit;
  }

  /** Resolves when both streams have come to their end. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Passes nothing on from now on, and remembers nothing. */
  quiet(): void {
    this.#isQuiet = true;
    for (const stream of Object.values(this.#own)) stream.chunks.length = 0;
  }

  /** Bytes of a stream that have come. */
  bytes(stream: LogStream): number {
    return this.#own[stream].bytes;
  }

  take(records: readonly LogRecord[]): void {
    const entries: OutputEntry[] = [];
    for (const { stream, text, isEnd, span } of records) {
      const own = this.#belonging(`${stream} ${span}`, stream, text);
      if (own === null) continue;
      if (isEnd) this.#end(stream);
      if (own !== "") this.#pass(stream, own, entries);
    }
    if (entries.length > 0) this.#emit(entries);
  }

  /** Says something about the output that the task did not write. */
  note(text: string): void {
    this.#emit([["stderr", text]]);
  }

  /** Passes on what of `whole`, the stream without its nonce, has not come; says how much it was. */
  complete(name: LogStream, whole: string): number {
    if (this.#isQuiet) return 0;
    const pieces = missingPieces(this.#own[name].chunks, whole);
    for (const { text, before } of pieces) {
      const marker = before === 0 ? "" : lateMarker(before);
      this.#emit([[name, marker + text]]);
    }
    return pieces.length;
  }

  /** The text that is the task's own; null when the record is another's. */
  #belonging(key: string, name: LogStream, text: string): string | null {
    const known = this.#candidates.get(key);
    if (known === null) return null;
    const stream = known ?? newStream();
    if (stream.pending === null) return text;
    const begun = stream.pending + text;
    if (begun.startsWith(this.#nonce)) {
      const own = this.#own[name];
      own.pending = null;
      this.#candidates.set(key, own);
      return begun.slice(this.#nonce.length);
    }
    const isBeginning = this.#nonce.startsWith(begun);
    stream.pending = begun;
    this.#candidates.set(key, isBeginning ? stream : null);
    return isBeginning ? "" : null;
  }

  #end(stream: LogStream): void {
    if (this.#own[stream].pending !== null) return;
    this.#open.delete(stream);
    if (this.#open.size === 0) this.#ended.resolve();
  }

  #pass(name: LogStream, text: string, entries: OutputEntry[]): void {
    const stream = this.#own[name];
    stream.bytes += Buffer.byteLength(text);
    if (this.#isQuiet) return;
    stream.chunks.push(text);
    const last = entries.at(-1);
    if (last?.[0] === name) last[1] += text;
    else entries.push([name, text]);
  }
}

function lateMarker(before: number): string {
  return `\n… the engine was late with what follows: its place is ${before} characters before the end of what stands above …\n`;
}
