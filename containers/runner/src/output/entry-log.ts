/**
 * Output that the service may not have yet: entries, numbered in their order, in a file. Memory
 * holds at most one entry that is being gathered; the file ends when it is full, at a marker.
 */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { OutputEntry } from "../../../../workers/executors/detached.ts";
import type { LogStream } from "../../../../workers/executors/port.ts";
import {
  LOG_FLUSH_MS,
  MAX_LOG_FRAME_CHARS,
} from "../../../../workers/executors/runner/protocol.ts";

/** Where an entry begins: how many come before it, and how many bytes of the file. */
export interface Place {
  readonly entry: number;
  readonly offset: number;
}

export interface Chunk {
  readonly from: number;
  readonly entries: readonly OutputEntry[];
  readonly next: Place;
}

/** An entry is at most MAX_LOG_FRAME_CHARS, each of which JSON may write as six bytes. */
const READ_BYTES = 8 * MAX_LOG_FRAME_CHARS;
/** Keeps the frame of very short entries, which are mostly quotes and commas, within bounds. */
const MAX_CHUNK_ENTRIES = 2_000;
const MEBIBYTE = 1024 * 1024;
const NEWLINE = 10;

const buffer = Buffer.alloc(READ_BYTES);

/** Written where output was dropped. */
export function overflowMarker(limitBytes: number): string {
  return `\n… output is missing here: the service took none for too long, and the runner keeps ${limitBytes / MEBIBYTE} MiB of it …\n`;
}

function isEntry(value: unknown): value is OutputEntry {
  if (!Array.isArray(value)) return false;
  const [stream, text] = value;
  return (stream === "stdout" || stream === "stderr") && typeof text === "string";
}

/** A place near `end` that does not split a surrogate pair. */
function cutAt(text: string, end: number): number {
  const unit = text.charCodeAt(end - 1);
  return end < text.length && unit >= 0xd800 && unit <= 0xdbff ? end - 1 : end;
}

export class EntryLog {
  readonly #file: number;
  readonly #limitBytes: number;
  readonly #onEntry: () => void;
  #pending: { readonly stream: LogStream; text: string } | null = null;
  #timer: NodeJS.Timeout | null = null;
  #end: Place = { entry: 0, offset: 0 };
  #isFull = false;
  /** Output was dropped and nothing says so yet. */
  #isMarkerDue = false;

  /** `onEntry` is called when there are more entries to be read. */
  constructor(path: string, limitBytes: number, onEntry: () => void) {
    this.#file = openSync(path, "w+", 0o600);
    this.#limitBytes = limitBytes;
    this.#onEntry = onEntry;
  }

  /** Where the next entry will begin; its `entry` is how many there are. */
  get end(): Place {
    return this.#end;
  }

  /** Appends output; what comes shortly after one another is one entry. */
  write(stream: LogStream, text: string): void {
    let sealed = false;
    for (let at = 0; at < text.length; ) {
      if (this.#pending !== null && this.#pending.stream !== stream) sealed = this.#seal();
      this.#pending ??= { stream, text: "" };
      const room = MAX_LOG_FRAME_CHARS - this.#pending.text.length;
      const end = cutAt(text, Math.min(text.length, at + room));
      this.#pending.text += text.slice(at, end);
      at = end;
      // A pair that does not fit leaves one character's room.
      if (this.#pending.text.length >= MAX_LOG_FRAME_CHARS - 1) sealed = this.#seal();
    }
    if (this.#pending !== null) this.#timer ??= setTimeout(() => this.flush(), LOG_FLUSH_MS);
    if (sealed) this.#onEntry();
  }

  /** Makes an entry of what is being gathered. */
  flush(): void {
    if (this.#seal()) this.#onEntry();
  }

  /** Entries from a place on that fit a frame, at most `limit`; null when there are none. */
  read(from: Place, limit = MAX_CHUNK_ENTRIES): Chunk | null {
    if (from.entry >= this.#end.entry) return null;
    const length = readSync(this.#file, buffer, 0, READ_BYTES, from.offset);
    const entries: OutputEntry[] = [];
    let chars = 0;
    let offset = 0;
    while (entries.length < Math.min(limit, MAX_CHUNK_ENTRIES)) {
      const end = buffer.subarray(0, length).indexOf(NEWLINE, offset);
      if (end < 0) break;
      const entry: unknown = JSON.parse(buffer.toString("utf8", offset, end));
      if (!isEntry(entry))
        throw new Error("The file of an attempt's output has been tampered with.");
      if (entries.length > 0 && chars + entry[1].length > MAX_LOG_FRAME_CHARS) break;
      entries.push(entry);
      chars += entry[1].length;
      offset = end + 1;
    }
    if (entries.length === 0) return null;
    const next = { entry: from.entry + entries.length, offset: from.offset + offset };
    return { from: from.entry, entries, next };
  }

  /** Makes room, when the service has every entry; the places of entries before are void. */
  clear(): void {
    if (this.#end.offset === 0 && !this.#isFull) return;
    ftruncateSync(this.#file, 0);
    this.#end = { entry: this.#end.entry, offset: 0 };
    this.#isFull = false;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    closeSync(this.#file);
  }

  /** Returns whether there is a new entry. */
  #seal(): boolean {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return false;
    const { stream, text } = pending;
    if (this.#isFull) return this.#isMarkerDue && this.#append(stream, this.#marker);
    return this.#append(stream, text) || this.#append(stream, this.#marker);
  }

  get #marker(): string {
    return overflowMarker(this.#limitBytes);
  }

  /** Returns false when there is no room; for the marker, beyond the limit, there always is. */
  #append(stream: LogStream, text: string): boolean {
    const isMarker = this.#isFull;
    const line = Buffer.from(`${JSON.stringify([stream, text])}\n`);
    const { entry, offset } = this.#end;
    this.#isFull = isMarker || offset + line.byteLength > this.#limitBytes;
    if (this.#isFull && !isMarker) return false;
    try {
      writeSync(this.#file, line, 0, line.byteLength, offset);
    } catch {
      // The disk is full: output is dropped like beyond the limit, and told of when there is room.
      this.#isFull = true;
      this.#isMarkerDue = true;
      return false;
    }
    this.#isMarkerDue = false;
    this.#end = { entry: entry + 1, offset: offset + line.byteLength };
    return true;
  }
}
