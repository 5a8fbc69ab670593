/**
 * Results of steps by what they depend on, in the blob store: `cache/<project>/<hash>.json`. Beside
 * them lies, for each step of each resource, what its newest result depended on, so that a miss can
 * say what differed.
 */
import type { Json } from "../executors/port.ts";
import { canonicalJson } from "../http/json.ts";
import { sha256 } from "../security/hash.ts";
import { artifactPrefix } from "./blobs.ts";
import type { CacheRequest, TakenDigest } from "./ports.ts";
import type { ArtifactSummary, LiveRun } from "./store-types.ts";
import { changedFiles, changedKeys, FILES_PART } from "./taken-files.ts";
import type { CacheOrigin } from "./types.ts";

interface Entry {
  readonly origin: CacheOrigin;
  readonly stored_at: number;
  readonly exit_code: number | null;
  readonly result: Json;
  readonly artifacts: readonly {
    readonly path: string;
    readonly key: string;
    /** Missing in entries of earlier versions. */
    readonly sha256?: string | null;
  }[];
}

/** What the newest result of a step depended on, as digests by name. */
interface Newest {
  readonly parts: Readonly<Record<string, string>>;
  /** Null when files taken from earlier steps did not count, or were not noted. */
  readonly taken: Readonly<Record<string, TakenDigest>> | null;
}

export type CacheAnswer =
  | {
      readonly hit: true;
      readonly origin: CacheOrigin;
      readonly exit_code: number | null;
      readonly result: Json;
      readonly artifacts: readonly {
        readonly path: string;
        readonly body: Uint8Array;
        /** Null when it was not noted. */
        readonly sha256: string | null;
      }[];
    }
  | {
      readonly hit: false;
      /** What is other than when the step was last run; null when it was not run before. */
      readonly differs: readonly string[] | null;
    };

export interface CacheSubject {
  readonly live: LiveRun;
  /** Name of the step. */
  readonly step: string;
  readonly request: CacheRequest;
}

export class StepCache {
  readonly #blobs: R2Bucket;

  constructor(blobs: R2Bucket) {
    this.#blobs = blobs;
  }

  async find(subject: CacheSubject, now: number): Promise<CacheAnswer> {
    const object = await this.#blobs.get(entryKey(subject));
    const entry = object === null ? null : await object.json<Entry>();
    const { ttl_ms } = subject.request;
    if (entry && (ttl_ms === null || entry.stored_at + ttl_ms > now)) {
      const artifacts = await this.#artifacts(entry);
      if (artifacts) {
        const { origin, exit_code, result } = entry;
        return { hit: true, origin, exit_code, result, artifacts };
      }
      return { hit: false, differs: ["artifacts"] };
    }
    return { hit: false, differs: entry ? ["age"] : await this.#differences(subject) };
  }

  /** Keeps the result of an attempt that completed. */
  async keep(
    subject: CacheSubject,
    outcome: { readonly exit_code: number | null; readonly result: Json },
    artifacts: readonly ArtifactSummary[],
    now: number,
  ): Promise<void> {
    const { live, step: name } = subject;
    const { resource, run } = live;
    const entry: Entry = {
      origin: { resource_id: resource.id, run, step: name },
      stored_at: now,
      exit_code: outcome.exit_code,
      result: outcome.result,
      artifacts: artifacts.map(({ path, epoch, sha256: digest }) => ({
        path,
        sha256: digest,
        key: `${artifactPrefix({ resource, run, step: name, epoch })}${path}`,
      })),
    };
    await this.#blobs.put(entryKey(subject), JSON.stringify(entry));
    await this.#blobs.put(newestKey(subject), JSON.stringify(newestOf(subject.request)));
  }

  /** Null when one of them is gone, with the resource that made it. */
  async #artifacts(entry: Entry) {
    const found: Extract<CacheAnswer, { hit: true }>["artifacts"][number][] = [];
    for (const { path, key, sha256: digest = null } of entry.artifacts) {
      const object = await this.#blobs.get(key);
      if (!object) return null;
      found.push({ path, body: new Uint8Array(await object.arrayBuffer()), sha256: digest });
    }
    return found;
  }

  async #differences(subject: CacheSubject): Promise<readonly string[] | null> {
    const object = await this.#blobs.get(newestKey(subject));
    if (!object) return null;
    const stored = await object.json<Newest | Newest["parts"]>();
    const before = isNewest(stored) ? stored : { parts: stored, taken: null };
    const now = newestOf(subject.request);
    const names = changedKeys(before.parts, now.parts, (part) => part);
    if (!names.includes(FILES_PART) || !before.taken || !now.taken) return names;
    const files = changedFiles(before.taken, now.taken);
    // The same files in other folders are named as a whole.
    if (files.length === 0) return names;
    return [...names.filter((name) => name !== FILES_PART), ...files];
  }
}

function newestOf({ parts, taken }: CacheRequest): Newest {
  const digests = Object.entries(parts).map(([name, part]) => [name, sha256(part)] as const);
  return { parts: Object.fromEntries(digests), taken };
}

/** Earlier versions noted the parts alone. */
function isNewest(stored: Newest | Newest["parts"]): stored is Newest {
  return typeof stored.parts === "object";
}

function entryKey({ live, request }: CacheSubject): string {
  return `cache/${live.resource.project_id}/${sha256(canonicalJson(request.parts))}.json`;
}

function newestKey({ live, step }: CacheSubject): string {
  const { project_id, id } = live.resource;
  return `cache/${project_id}/newest/${id}/${encodeURIComponent(step)}.json`;
}
