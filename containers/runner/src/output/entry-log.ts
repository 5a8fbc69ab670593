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
  return `\n… output is missing here: the service took none for too long, and the runner keeps ${limitBytes / MEBIBYTE} MiB of it, or less where its disk is full …\n`;
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
  /** Nothing more is taken until there is room; the last entry is a marker that says so. */
  #isFull = false;
  /** A marker that the disk did not take. It is the last entry, and read from here. */
  #unwritten: OutputEntry | null = null;

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
    const inFile = this.#end.entry - (this.#unwritten === null ? 0 : 1);
    if (from.entry >= inFile) return this.#readUnwritten(from);
    const length = readSync(this.#file, buffer, 0, READ_BYTES, from.offset);
    const entries: OutputEntry[] = [];
    let chars = 0;
    let offset = 0;
    const most = Math.min(limit, MAX_CHUNK_ENTRIES, inFile - from.entry);
    while (entries.length < most) {
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

  #readUnwritten(from: Place): Chunk | null {
    if (this.#unwritten === null || from.entry >= this.#end.entry) return null;
    return { from: from.entry, entries: [this.#unwritten], next: this.#end };
  }

  /** Makes room, when the service has every entry; the places of entries before are void. */
  clear(): void {
    if (this.#end.offset === 0 && !this.#isFull) return;
    ftruncateSync(this.#file, 0);
    this.#end = { entry: this.#end.entry, offset: 0 };
    this.#isFull = false;
    this.#unwritten = null;
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
    // The marker stands where output begins to be missing; what follows is missing like it.
    if (this.#isFull) return false;
    const { stream, text } = pending;
    if (this.#write([stream, text], this.#limitBytes)) return true;
    this.#isFull = true;
    const marker: OutputEntry = [stream, overflowMarker(this.#limitBytes)];
    // For the marker there is room beyond the limit.
    if (this.#write(marker, Number.POSITIVE_INFINITY)) return true;
    this.#unwritten = marker;
    this.#end = { entry: this.#end.entry + 1, offset: this.#end.offset };
    return true;
  }

  /** Writes an entry whole or not at all; the file ends at `limitBytes`. */
  #write(entry: OutputEntry, limitBytes: number): boolean {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    const { entry: count, offset } = this.#end;
    if (offset + line.byteLength > limitBytes) return false;
    try {
      // A disk that fills up takes a part, and refuses only the rest.
      for (let done = 0; done < line.byteLength; ) {
        const written = writeSync(this.#file, line, done, line.byteLength - done, offset + done);
        if (written === 0) return false;
        done += written;
      }
    } catch {
      return false;
    }
    this.#end = { entry: count + 1, offset: offset + line.byteLength };
    return true;
  }
}
