/**
 * Turns the bytes of an attempt's output files into numbered entries for the owner. How far it came
 * is committed with the entries. What it holds back in memory, halves of characters and of secrets,
 * it gets back after a reset by reading the files again from their start.
 */
import { AttemptOutput } from "../attempt-output.ts";
import type { OutputEntry } from "../detached.ts";
import type { Json, LogStream, Outcome } from "../port.ts";
import type { AttemptStore, Change, Progress } from "./store.ts";

/** Output that the owner has not taken holds further output back from here on. */
const MAX_HELD_CHARS = 4 * 1024 * 1024;

const newDecoder = () => new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** Appends to the last entry of a batch where it is of the same stream. */
function append(entries: [LogStream, string][], stream: LogStream, text: string): void {
  const last = entries.at(-1);
  if (last?.[0] === stream) last[1] += text;
  else entries.push([stream, text]);
}

export class OutputLog {
  readonly #store: AttemptStore;
  readonly #output: AttemptOutput;
  readonly #onEntries: () => void;
  readonly #decoders = { stdout: newDecoder(), stderr: newDecoder() };
  #progress: Progress;
  #batch: [LogStream, string][] = [];
  /** Characters that are entries already, while files are read again. */
  readonly #known = { stdout: 0, stderr: 0 };
  #onTaken: (() => void) | null = null;
  #isClosed = false;

  /**
   * `secrets` are the values that may not appear in it; `onEntries` is called when there is
   * something new for the owner.
   */
  constructor(store: AttemptStore, secrets: readonly string[], onEntries: () => void) {
    this.#onEntries = onEntries;
    this.#store = store;
    this.#progress = store.progress();
    if (!this.#progress.is_cut) Object.assign(this.#known, this.#progress.shown);
    this.#output = new AttemptOutput(
      { log: (stream, text) => this.#show(stream, text), artifact: async () => undefined },
      secrets,
    );
  }

  /** Bytes of each stream that were taken. */
  get read(): Readonly<Record<LogStream, number>> {
    return this.#progress.read;
  }

  /** Nothing more is taken. */
  get isCut(): boolean {
    return this.#progress.is_cut;
  }

  get stderrTail(): string {
    return this.isCut ? this.#progress.stderr_tail : this.#output.stderrTail;
  }

  /** Bytes that have to be read again before anything is fed. */
  get replay(): Readonly<Record<LogStream, number>> {
    return this.isCut ? { stdout: 0, stderr: 0 } : this.#progress.read;
  }

  /** Takes again what was taken before a reset, from the start of a stream. */
  refeed(stream: LogStream, bytes: Uint8Array): void {
    this.#output.log(stream, this.#decoders[stream].decode(bytes, { stream: true }));
    this.#batch = [];
  }

  /** Takes the next bytes of a stream; resolves when more may come. */
  async feed(stream: LogStream, bytes: Uint8Array): Promise<void> {
    if (this.isCut) return;
    this.#output.log(stream, this.#decoders[stream].decode(bytes, { stream: true }));
    const read = { ...this.#progress.read, [stream]: this.read[stream] + bytes.byteLength };
    this.#store.commit(this.#advance(read));
    this.#onEntries();
    while (this.#store.heldChars > MAX_HELD_CHARS && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#onTaken = resolve;
      });
    }
  }

  /** Says that the owner took entries. */
  taken(): void {
    this.#onTaken?.();
    this.#onTaken = null;
  }

  /** Holds nothing back any more, since nobody wants it. */
  close(): void {
    this.#isClosed = true;
    this.taken();
  }

  /** The path under which an artifact is kept. */
  shownPath(path: string): string {
    return this.#output.shownPath(path);
  }

  /** Ends the log; the change holds its last entries and what the attempt came to. */
  settle(outcome: Outcome, outputs: Json): Change {
    for (const stream of ["stdout", "stderr"] as const) {
      if (!this.isCut) this.#output.log(stream, this.#decoders[stream].decode());
    }
    const settled = this.#output.settle(outcome, outputs);
    return { ...this.#advance(this.#progress.read), outcome: settled };
  }

  #show(stream: LogStream, text: string): void {
    const skipped = Math.min(this.#known[stream], text.length);
    this.#known[stream] -= skipped;
    if (skipped < text.length) append(this.#batch, stream, text.slice(skipped));
  }

  /** The change that makes entries of the batch. */
  #advance(read: Progress["read"]): Change {
    const entries: OutputEntry[] = this.isCut ? [] : this.#batch;
    this.#batch = [];
    const shown = { ...this.#progress.shown };
    for (const [stream, text] of entries) shown[stream] += text.length;
    this.#progress = {
      read,
      shown,
      entries: this.#progress.entries + entries.length,
      is_cut: this.isCut || this.#output.isCut,
      stderr_tail:
        this.#output.isCut && !this.isCut ? this.#output.stderrTail : this.#progress.stderr_tail,
    };
    return { progress: this.#progress, entries };
  }
}
