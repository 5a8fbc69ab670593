/** Where results live: in the rows while they are small, else in the blob store. */
import { type Json, MAX_INLINE_RESULT_BYTES } from "../executors/port.ts";
import { resultKey } from "./blobs.ts";
import { ResultNotLoaded } from "./ports.ts";
import type { RunStore } from "./store.ts";
import type { LiveRun } from "./store-types.ts";
import type { StoredResult } from "./types.ts";

const encoder = new TextEncoder();

export function inlineResult(json: string): StoredResult {
  return { kind: "inline", json };
}

/** Whether JSON text is small enough for the rows. */
export function fitsInline(json: string): boolean {
  if (json.length <= MAX_INLINE_RESULT_BYTES / 3) return true;
  return (
    json.length <= MAX_INLINE_RESULT_BYTES &&
    encoder.encode(json).byteLength <= MAX_INLINE_RESULT_BYTES
  );
}

export class Results {
  readonly #blobs: R2Bucket;
  readonly #store: RunStore;
  /** Results of the blob store that questions are being answered from, and how many of these. */
  readonly #loaded = new WeakMap<LiveRun, { readonly texts: Map<number, string>; users: number }>();

  constructor(blobs: R2Bucket, store: RunStore) {
    this.#blobs = blobs;
    this.#store = store;
  }

  /** Puts JSON text where it belongs; `place` names it among the run's results. Null for null. */
  async keep(live: LiveRun, place: string, value: Json): Promise<StoredResult | null> {
    if (value === null) return null;
    const json = JSON.stringify(value);
    if (fitsInline(json)) return inlineResult(json);
    const body = encoder.encode(json);
    const key = resultKey(live, place);
    await this.#blobs.put(key, body);
    return { kind: "stored", key, bytes: body.byteLength };
  }

  stored(live: LiveRun, step: number): StoredResult | null {
    if (live.results.has(step)) return live.results.get(step) ?? null;
    return this.#store.runs.result(live.resource.id, live.run, step);
  }

  /** JSON text of a step's result; throws `ResultNotLoaded` when it has to be loaded first. */
  text(live: LiveRun, step: number): string | null {
    const stored = this.stored(live, step);
    if (stored === null) return null;
    if (stored.kind === "inline") return stored.json;
    const loaded = this.#loaded.get(live)?.texts.get(step);
    if (loaded === undefined) throw new ResultNotLoaded(step);
    return loaded;
  }

  bytes(live: LiveRun, step: number): number {
    const stored = this.stored(live, step);
    if (stored === null) return 0;
    return stored.kind === "inline" ? stored.json.length : stored.bytes;
  }

  /** Fetches a result for a question that holds what is loaded for the run. */
  async load(live: LiveRun, step: number): Promise<void> {
    const stored = this.stored(live, step);
    if (stored?.kind !== "stored") return;
    const text = await this.read(stored);
    this.#loaded.get(live)?.texts.set(step, text);
  }

  /** Keeps what is loaded for a run until `release` is called as often. */
  hold(live: LiveRun): void {
    const loaded = this.#loaded.get(live) ?? { texts: new Map<number, string>(), users: 0 };
    loaded.users += 1;
    this.#loaded.set(live, loaded);
  }

  /** JSON text, from wherever it lies. */
  async read(stored: StoredResult): Promise<string> {
    if (stored.kind === "inline") return stored.json;
    const object = await this.#blobs.get(stored.key);
    if (!object) throw new Error(`the blob store has lost the result ${stored.key}`);
    return object.text();
  }

  /** Forgets what was loaded once every question about the run has been answered. */
  release(live: LiveRun): void {
    const loaded = this.#loaded.get(live);
    if (!loaded) return;
    loaded.users -= 1;
    if (loaded.users === 0) this.#loaded.delete(live);
  }

  async discard(stored: StoredResult | null): Promise<void> {
    if (stored?.kind === "stored") await this.#blobs.delete(stored.key);
  }
}
