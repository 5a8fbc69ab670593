/**
 * Which entries of an attempt's output are on their way. Sends in order, a bounded number of frames
 * ahead of what is acknowledged, and begins anew where the service says it is.
 */
import type { Chunk, Place } from "./entry-log.ts";

/** The part of an EntryLog that delivery needs. */
export interface Entries {
  readonly end: Place;
  read(from: Place, limit?: number): Chunk | null;
  clear(): void;
}

/** About 1 MiB on its way: memory stays small however slow the service is. */
const MAX_FRAMES_AHEAD = 16;

interface Sent {
  readonly start: Place;
  /** Entries up to the end of the frame. */
  readonly end: number;
}

export class Delivery {
  readonly #entries: Entries;
  /** Oldest first. */
  #sent: Sent[] = [];
  #cursor: Place = { entry: 0, offset: 0 };
  #acknowledged = 0;

  constructor(entries: Entries) {
    this.#entries = entries;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Whether frames are on their way. */
  get isWaiting(): boolean {
    return this.#sent.length > 0;
  }

  get hasSentAll(): boolean {
    return this.#cursor.entry === this.#entries.end.entry;
  }

  /** The next frame to send; null when there is none, or too many are on their way. */
  next(): Chunk | null {
    if (this.#sent.length >= MAX_FRAMES_AHEAD) return null;
    const chunk = this.#entries.read(this.#cursor);
    if (chunk === null) return null;
    this.#sent.push({ start: this.#cursor, end: chunk.next.entry });
    this.#cursor = chunk.next;
    return chunk;
  }

  /** The service has `count` entries; returns whether those are more than it had. */
  acknowledge(count: number): boolean {
    // What there is not cannot have been taken.
    if (count > this.#entries.end.entry || count <= this.#acknowledged) return false;
    this.#acknowledged = count;
    this.#sent = this.#sent.filter((frame) => frame.end > count);
    this.#skipTo(count);
    if (count === this.#entries.end.entry) {
      this.#entries.clear();
      this.#cursor = this.#entries.end;
    }
    return true;
  }

  /** The service has `count` entries, and whatever was on its way is lost. */
  resume(count: number): void {
    this.acknowledge(count);
    this.#cursor = this.#sent[0]?.start ?? this.#cursor;
    this.#sent = [];
    this.#skipTo(this.#acknowledged);
  }

  #skipTo(count: number): void {
    while (this.#cursor.entry < count) {
      const skipped = this.#entries.read(this.#cursor, count - this.#cursor.entry);
      if (skipped === null) return;
      this.#cursor = skipped.next;
    }
  }
}
