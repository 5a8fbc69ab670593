/**
 * What is known of VISLZR's graph, on the courier's disk: the ids of nodes, what was made, and what
 * was sent and not answered. One ledger is about one resource, and nodes of others can be looked up.
 */
import { z } from "zod";
import { traceSchema } from "../delivery/message.ts";
import type { Memory } from "../delivery/target.ts";

const recordSchema = z.object({
  kind: z.string(),
  trace: traceSchema.nullable(),
  /** Runs that have begun and whose end was not told. */
  runs: z.array(z.number()),
  /** When the oldest of them was first heard of, ms since 1970; null for none. */
  live_since: z.number().nullable(),
  /** How often runs were looked at that live. */
  looks: z.number(),
  /** The resource is deleted here. */
  is_gone: z.boolean(),
  /** What was sent and not answered may still take effect: when it is looked for, and what it is. */
  late: z
    .object({ at: z.number(), runs: z.array(z.number()), parts: z.array(z.string()) })
    .nullable(),
});
export type EntityRecord = z.output<typeof recordSchema>;

const nodeSchema = z.object({
  id: z.string(),
  /** Of what it was given last. */
  digest: z.string(),
  /** It was there before anything was known of it, and so may be what belongs to it. */
  is_found: z.boolean(),
});
export type KnownNode = z.output<typeof nodeSchema>;
const partSchema = z.array(z.string());

export class Ledger {
  readonly entity: string;
  readonly #memory: Memory;

  constructor(memory: Memory, entity: string) {
    this.#memory = memory;
    this.entity = entity;
  }

  record(): EntityRecord | null {
    return recordSchema.nullable().parse(this.#memory.get(`entity:${this.entity}`) ?? null);
  }

  save(record: EntityRecord): void {
    this.#memory.set(`entity:${this.entity}`, record);
  }

  forgetRecord(): void {
    this.#memory.delete(`entity:${this.entity}`);
  }

  /** A part of the runs that are being told may take effect late: it is looked for at a time. */
  noteLate(part: string, at: number): void {
    const record = this.record();
    if (record === null) return;
    const { runs = [], parts = [] } = record.late ?? {};
    const late = {
      at,
      runs: [...new Set([...runs, ...record.runs])],
      parts: [...new Set([...parts, part])],
    };
    this.save({ ...record, late });
  }

  wasTold(run: number): boolean {
    return this.#memory.get(`told:${this.entity}:${run}`) !== undefined;
  }

  told(run: number): void {
    this.#memory.set(`told:${this.entity}:${run}`, true);
  }

  node(externalId: string): KnownNode | null {
    return nodeSchema.nullable().parse(this.#memory.get(`node:${externalId}`) ?? null);
  }

  setNode(externalId: string, node: KnownNode): void {
    this.#memory.set(`node:${externalId}`, node);
  }

  forgetNode(externalId: string): void {
    this.#memory.delete(`node:${externalId}`);
  }

  /** What a part that was made came to, such as ids of nodes; null for one that was not. */
  part(key: string): readonly string[] | null {
    return partSchema.nullable().parse(this.#memory.get(`part:${this.entity}:${key}`) ?? null);
  }

  /** A part was made, and answered. */
  setPart(key: string, made: readonly string[]): void {
    this.#memory.set(`part:${this.entity}:${key}`, made);
    this.answered(key);
  }

  /** A part was sent, and what became of it is not known. */
  isSent(key: string): boolean {
    return this.#memory.get(`sent:${this.entity}:${key}`) !== undefined;
  }

  setSent(key: string): void {
    this.#memory.set(`sent:${this.entity}:${key}`, true);
  }

  answered(key: string): void {
    this.#memory.delete(`sent:${this.entity}:${key}`);
  }

  hasSent(): boolean {
    return this.#memory.keys(`sent:${this.entity}:`).length > 0;
  }

  /** What belongs to a container that has no node yet: whoever makes that relates them, for good. */
  setOrphan(container: string, externalId: string): void {
    this.#memory.set(`orphan:${container}|${externalId}`, true);
  }

  isOrphan(container: string, externalId: string): boolean {
    return this.#memory.get(`orphan:${container}|${externalId}`) !== undefined;
  }

  orphans(container: string): readonly string[] {
    const prefix = `orphan:${container}|`;
    return this.#memory.keys(prefix).map((key) => key.slice(prefix.length));
  }

  /** Ids of the resource's own nodes, by the key of what remembers them. */
  *owned(): Generator<readonly [key: string, ids: readonly string[]]> {
    const nodes = this.#memory.keys(`node:${this.entity}:`);
    for (const key of [...nodes, `node:${this.entity}`]) {
      const node = nodeSchema.nullable().parse(this.#memory.get(key) ?? null);
      if (node !== null) yield [key, [node.id]];
    }
    for (const key of this.#memory.keys(`part:${this.entity}:nodes:`)) {
      yield [key, partSchema.parse(this.#memory.get(key))];
    }
  }

  forget(key: string): void {
    this.#memory.delete(key);
  }

  /** Nothing is known of the resource any more. */
  forgetAll(): void {
    for (const kind of ["node", "part", "sent", "told", "orphan"]) {
      for (const key of this.#memory.keys(`${kind}:${this.entity}:`)) this.#memory.delete(key);
    }
    for (const key of this.#memory.keys(`orphan:${this.entity}|`)) this.#memory.delete(key);
    for (const kind of ["node", "entity"]) this.#memory.delete(`${kind}:${this.entity}`);
  }
}
