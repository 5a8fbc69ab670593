/** Takes what a command writes: scrubs it, keeps it in files and reports it while it comes. */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { Lines } from "./progress.ts";
import { Scrubber } from "./scrub.ts";
import type { StreamName } from "./telemetry.ts";

const STREAMS: readonly StreamName[] = ["stdout", "stderr"];
const FILL_CHUNK_BYTES = 64 * 1_024;

export interface OutputListener {
  /** Called once, at the first byte of either stream. */
  first(): void;
  text(stream: StreamName, text: string, end: boolean): void;
  readonly lines: Readonly<Record<StreamName, Lines>>;
}

interface Stream {
  readonly scrubber: Scrubber;
  readonly decoder: StringDecoder;
  /** Files that get every byte. */
  readonly files: readonly number[];
}

export class OutputCapture {
  readonly #streams: Readonly<Record<StreamName, Stream>>;
  readonly #opened: readonly number[];
  readonly #listener: OutputListener;
  #isQuiet = true;

  /** Makes the files stdout, stderr and combined in a directory; `copies` get a copy of a stream. */
  constructor(
    directory: string,
    secrets: readonly Buffer[],
    copies: Readonly<Partial<Record<StreamName, number>>>,
    listener: OutputListener,
  ) {
    const open = (name: string) => openSync(join(directory, name), "a", 0o600);
    const combined = open("combined");
    const opened = [combined];
    const stream = (name: StreamName): Stream => {
      const own = open(name);
      opened.push(own);
      const copy = copies[name];
      return {
        scrubber: new Scrubber(secrets),
        decoder: new StringDecoder("utf8"),
        files: [own, combined, ...(copy === undefined ? [] : [copy])],
      };
    };
    this.#streams = { stdout: stream("stdout"), stderr: stream("stderr") };
    this.#opened = opened;
    this.#listener = listener;
  }

  push(name: StreamName, chunk: Buffer): void {
    this.#pass(name, this.#streams[name].scrubber.push(chunk));
    if (this.#isQuiet) {
      this.#isQuiet = false;
      this.#listener.first();
    }
  }

  /** Writes lines of filler. */
  fill(name: StreamName, bytes: number): void {
    const line = `${"x".repeat(127)}\n`;
    const chunk = Buffer.from(line.repeat(FILL_CHUNK_BYTES / line.length));
    for (let left = bytes; left > 0; left -= chunk.length) {
      this.#pass(name, chunk.subarray(0, Math.min(left, chunk.length)));
    }
  }

  /** Flushes what is held back and ends both streams. */
  end(): void {
    for (const name of STREAMS) {
      const { scrubber, decoder } = this.#streams[name];
      this.#pass(name, scrubber.flush());
      const rest = decoder.end();
      if (rest !== "") this.#report(name, rest);
      this.#listener.lines[name].end();
      this.#listener.text(name, "", true);
    }
    for (const file of this.#opened) closeSync(file);
  }

  #pass(name: StreamName, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const { decoder, files } = this.#streams[name];
    for (const file of files) writeSync(file, bytes);
    const text = decoder.write(bytes);
    if (text !== "") this.#report(name, text);
  }

  #report(name: StreamName, text: string): void {
    this.#listener.text(name, text, false);
    this.#listener.lines[name].push(text);
  }
}
