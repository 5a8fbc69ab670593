/**
 * What stands between an executor and the engine's sink: masks secrets, holds the limits on logs and
 * artifacts, and remembers the end of stderr for the message of a failure.
 */
import { createMasker, type Masker } from "../security/masking.ts";
import { checkResult } from "./outcome.ts";
import {
  type AttemptSink,
  type Json,
  type LogStream,
  MAX_ARTIFACT_BYTES,
  MAX_LOG_BYTES,
  type Outcome,
} from "./port.ts";

const MEBIBYTE = 1024 * 1024;
const STDERR_TAIL_CHARS = 2_000;

/** Written where output beyond MAX_LOG_BYTES begins. */
export const LOG_CUT_MARKER = `\n… output cut at ${MAX_LOG_BYTES / MEBIBYTE} MiB: write less, or keep it as an artifact …\n`;

/** The artifact that would exceed the limit; `message` says what to do. */
export class ArtifactsTooLarge extends Error {
  constructor(path: string) {
    super(
      `The artifacts exceed ${MAX_ARTIFACT_BYTES / MEBIBYTE} MiB together at "${path}". Match fewer files, or compress them.`,
    );
    this.name = "ArtifactsTooLarge";
  }
}

/** The longest prefix of `text` that takes at most `bytes` in UTF-8, without half a character. */
function prefixOfBytes(text: string, bytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return text.slice(0, read);
}

/** Numbers a file in front of its extension; the name of a dot file has none. */
function numbered(path: string, count: number): string {
  return path.replace(/(?<=[^/])(\.[^./]*)?$/, ` (${count})$1`);
}

export class AttemptOutput {
  readonly #sink: AttemptSink;
  /** Null without secrets, so that their absence costs nothing. */
  readonly #masker: Masker | null;
  readonly #streams: ReadonlyMap<LogStream, { push(text: string): string; flush(): string }>;
  /** By path as the task names it. Filled only when there are secrets. */
  readonly #shownPaths = new Map<string, string>();
  readonly #takenPaths = new Set<string>();
  /** The last number given, by masked path. */
  readonly #pathCounts = new Map<string, number>();
  #logBytesLeft = MAX_LOG_BYTES;
  #artifactBytesLeft = MAX_ARTIFACT_BYTES;
  #isCut = false;
  #stderrTail = "";

  /** `secrets` are the values that may not appear in logs, results and messages. */
  constructor(sink: AttemptSink, secrets: readonly string[]) {
    this.#sink = sink;
    this.#masker = secrets.length === 0 ? null : createMasker(secrets);
    this.#streams = new Map(
      this.#masker === null
        ? []
        : [
            ["stdout", this.#masker.stream()],
            ["stderr", this.#masker.stream()],
          ],
    );
  }

  /** The end of what was written to stderr, masked. */
  get stderrTail(): string {
    return this.#stderrTail;
  }

  /** Whether the limit on logs was reached, so that nothing more is written. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Appends to a stream; what exceeds the limit is dropped after a marker. */
  log(stream: LogStream, text: string): void {
    const masking = this.#streams.get(stream);
    this.#write(stream, masking === undefined ? text : masking.push(text));
  }

  /**
   * Keeps an artifact as it is, unmasked, under its masked path; throws ArtifactsTooLarge beyond the
   * limit. Files whose paths masking makes equal are numbered, so that none replaces another.
   */
  async artifact(path: string, body: Uint8Array): Promise<void> {
    const shown = this.shownPath(path);
    this.#artifactBytesLeft -= body.byteLength;
    if (this.#artifactBytesLeft < 0) throw new ArtifactsTooLarge(shown);
    await this.#sink.artifact(shown, body);
  }

  /** The path under which an artifact is kept, the same every time. */
  shownPath(path: string): string {
    return this.#masker === null ? path : this.#maskPath(path, this.#masker);
  }

  /** Ends the attempt: flushes the logs, checks the result and masks what the outcome says. */
  settle(outcome: Outcome, outputs: Json): Outcome {
    for (const [stream, masking] of this.#streams) this.#write(stream, masking.flush());
    const checked = checkResult(outcome, outputs);
    if (this.#masker === null || checked.status === "cancelled") return checked;
    const result = this.#masker.maskJson(checked.result);
    return checked.status === "completed"
      ? { ...checked, result }
      : { ...checked, result, message: this.#masker.mask(checked.message) };
  }

  #maskPath(path: string, masker: Masker): string {
    const known = this.#shownPaths.get(path);
    if (known !== undefined) return known;
    const masked = masker.mask(path);
    let shown = masked;
    let count = this.#pathCounts.get(masked) ?? 1;
    while (this.#takenPaths.has(shown)) {
      count += 1;
      shown = numbered(masked, count);
    }
    this.#pathCounts.set(masked, count);
    this.#shownPaths.set(path, shown);
    this.#takenPaths.add(shown);
    return shown;
  }

  #write(stream: LogStream, text: string): void {
    if (text === "" || this.#isCut) return;
    if (stream === "stderr") {
      this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARS);
    }
    const bytes = Buffer.byteLength(text);
    if (bytes <= this.#logBytesLeft) {
      this.#logBytesLeft -= bytes;
      this.#sink.log(stream, text);
      return;
    }
    this.#isCut = true;
    this.#sink.log(stream, prefixOfBytes(text, this.#logBytesLeft) + LOG_CUT_MARKER);
  }
}
