/** What a courier delivers to: a neighbour, or a webhook. */
import type { Json } from "../http/json.ts";
import type { OutboxMessage } from "./message.ts";

export interface Target {
  /** Entities that are delivered to at once. */
  readonly parallel: number;
  /** Pauses after each failure about one entity, in ms; it is parked when there are no more. */
  readonly retry_delays_ms: readonly number[];
  /** `memory` is what the target remembers. */
  wants(message: OutboxMessage, memory: Memory): boolean;
  /** Messages about one entity are delivered in their order, one delivery at a time. */
  entityOf(message: OutboxMessage): string;
  /** Never rejects for what the target comes to; what it throws counts as a failure of the entity. */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome>;
}

export interface Delivery {
  readonly entity: string;
  /** All that waits for the entity, oldest first, up to a bound; none when it is looked at again. */
  readonly messages: readonly OutboxMessage[];
  /** From 1, since the last one that ended well. Above 1, and after a crash, some of it may have come through. */
  readonly attempt: number;
  /** A delivery before was cut off, or failed: what it did is not known. */
  readonly is_repeated: boolean;
  /** What the target remembers. */
  readonly memory: Memory;
  /** How long the target as a whole has failed, in ms; 0 while it does not. */
  readonly failing_ms: number;
}

export type Outcome =
  | {
      readonly status: "delivered";
      /** Position up to which messages are done. */
      readonly through: number;
      /** The entity is to be looked at again after so long, though nothing happens to it. */
      readonly again_ms?: number;
    }
  | {
      readonly status: "failed";
      /** Position up to which messages are done all the same; 0 for none. */
      readonly through: number;
      /** Says what went wrong, for a person. */
      readonly error: string;
      /** `target`: nothing can be delivered there now. `entity`: only this one cannot. */
      readonly scope: "target" | "entity";
      /** What the target asks for; null for what the courier thinks right. */
      readonly retry_after_ms: number | null;
      /** Trying again is of no use: it is parked at once. */
      readonly is_final: boolean;
    }
  /** The target is not delivered to any more, until somebody opens it again. */
  | { readonly status: "closed"; readonly through: number; readonly error: string };

/** Values by key, on the courier's disk. Reads see what was written before. */
export interface Memory {
  get(key: string): Json | undefined;
  set(key: string, value: Json): void;
  delete(key: string): void;
  /** Keys that begin so, in their order. */
  keys(prefix: string): readonly string[];
  /** Adds an entry to the log of deliveries, which keeps the newest, with what was sent if that is given. */
  log(entry: LogEntry, body?: string | null): void;
}

export interface LogEntry {
  readonly entity: string;
  /** What was delivered, as the receiver knows it. */
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  readonly outcome: "delivered" | "failed";
  /** Of the receiver's answer; null for none. */
  readonly status_code: number | null;
  readonly duration_ms: number;
  readonly error: string | null;
}
