/** Plans of documents with versions: neither changes, so that what was compiled is kept. */
import type { ResourceKind } from "./ports.ts";
import type { RunStore } from "./store.ts";
import type { Resource } from "./store-types.ts";
import type { RunPlan } from "./types.ts";

/** Of all documents whose plans are kept. */
const MAX_KEPT_CHARS = 8 * 1024 * 1024;

export interface Planned {
  readonly document: string;
  readonly plan: RunPlan;
}

export class Plans {
  readonly #store: RunStore;
  readonly #kept = new Map<string, Planned>();
  #chars = 0;

  constructor(store: RunStore) {
    this.#store = store;
  }

  /** The document of a version, and its plan. */
  get(kind: ResourceKind, resource: Resource, version: number): Planned {
    const key = `${resource.id}@${version}`;
    const known = kind.versioned ? this.#kept.get(key) : undefined;
    if (known) return known;
    const document = this.#store.document(resource, version);
    const planned = { document, plan: kind.plan(resource, document) };
    if (kind.versioned) this.#keep(key, planned);
    return planned;
  }

  #keep(key: string, planned: Planned): void {
    this.#kept.set(key, planned);
    this.#chars += planned.document.length;
    for (const [oldest, { document }] of this.#kept) {
      if (this.#chars <= MAX_KEPT_CHARS || oldest === key) break;
      this.#kept.delete(oldest);
      this.#chars -= document.length;
    }
  }
}
