/**
 * Runs that are steps of other runs. The parent's object begins the child at the child's object,
 * which tells the parent how it ended; both calls are repeated until they have come through, and
 * name the dispatch that they are about. A stop that comes before its begin is remembered by the
 * child's object, so that the begin finds it there whatever has become of the parent.
 */
import type { Usage } from "../executors/detached.ts";
import type { RequestTrace } from "../http/trace.ts";
import type { ChildAddress } from "./ports.ts";
import type { NewResource } from "./skills.ts";
import type { ParentRef } from "./store-types.ts";
import type { AttemptResult, StoredResult } from "./types.ts";

/** A run this deep begins no other: one that begins itself would never end. */
export const MAX_DEPTH = 8;

export interface ChildStart {
  readonly resource_id: string;
  readonly project_id: string;
  /** What the resource is made of when it is not there; null for one that has to be. */
  readonly made_of?: NewResource | null;
  readonly parent: ParentRef;
  /** JSON text. */
  readonly inputs: string;
  /** Who asked for the run that is above them all. */
  readonly triggered_by?: string | null;
  readonly trace?: RequestTrace | null;
  /** What the run above is pinned to, as JSON text. */
  readonly pins?: string | null;
}

/** What a child says of itself. */
export interface ChildReport {
  readonly parent: ParentRef;
  /** Null while the run goes on. */
  readonly result: AttemptResult | null;
  /** JSON text of the run's outputs; null for none. */
  readonly outputs: string | null;
  /** Whether the run only waits; left out when nothing is said of it. */
  readonly resting?: boolean;
  /** What one that has ended used that somebody pays for; left out where that is told by itself. */
  readonly usage?: Usage;
}

/** Names the dispatch that begins a child, so that it begins one. */
export function requestOf(parent: ParentRef): string {
  return `${parent.resource_id}/${parent.run}/${parent.step}/${parent.epoch}`;
}

/** The object of another resource, as far as it is one's child. */
export interface ChildObject {
  beginChild(start: ChildStart): Promise<ChildReport>;
  cancelChild(id: string, parent: ParentRef): Promise<ChildReport>;
}

/** The object of another resource, as far as it is one's parent. */
export interface ParentObject {
  childReported(report: ChildReport): Promise<void>;
  childGoesOn(parent: ParentRef): Promise<number>;
}

/** Where the objects of other resources are found. */
export interface OtherObjects {
  child(address: ChildAddress): ChildObject;
  parent(parent: ParentRef): ParentObject;
}

export class SubRuns {
  readonly #objects: OtherObjects;
  readonly #blobs: R2Bucket;

  constructor(objects: OtherObjects, blobs: R2Bucket) {
    this.#objects = objects;
    this.#blobs = blobs;
  }

  /** Begins a child, or asks one that was begun how it is. */
  async begin(start: ChildStart, placement: ChildAddress["placement"]): Promise<ChildReport> {
    if (start.parent.depth > MAX_DEPTH) {
      return refusal(
        start.parent,
        "too_deep",
        `Runs nest ${MAX_DEPTH} deep at most. Look for a pipeline that starts itself.`,
      );
    }
    return this.#objects.child({ resource_id: start.resource_id, placement }).beginChild(start);
  }

  async cancel(child: ChildAddress, parent: ParentRef): Promise<ChildReport> {
    return this.#objects.child(child).cancelChild(child.resource_id, parent);
  }

  /** Asks the parent for leave to go on: 0 gives it, else the place in its queue, from 1. */
  async goesOn(parent: ParentRef): Promise<number> {
    return this.#objects.parent(parent).childGoesOn(parent);
  }

  /** Tells the parent; rejects when that did not come through. */
  async tell(report: Omit<ChildReport, "outputs">, outputs: StoredResult | null): Promise<void> {
    const text = outputs === null ? null : await this.#text(outputs);
    await this.#objects.parent(report.parent).childReported({ ...report, outputs: text });
  }

  async #text(outputs: StoredResult): Promise<string> {
    if (outputs.kind === "inline") return outputs.json;
    const object = await this.#blobs.get(outputs.key);
    if (!object) throw new Error("the blob store has lost the outputs of a run below another");
    return object.text();
  }
}

/** The report of a child that was stopped before it was begun. */
export function stopped(parent: ParentRef): ChildReport {
  return { parent, result: { status: "cancelled" }, outputs: null };
}

export function refusal(parent: ParentRef, code: string, message: string): ChildReport {
  const result = { status: "failed", reason: "error", exit_code: null, code, message } as const;
  return { parent, result, outputs: null };
}
