/** What a caller may reach of resources with runs, and how each is read: shared by their services. */
import type { Json } from "../executors/port.ts";
import { ApiError, notFound } from "../http/errors.ts";
import { maySee, type Principal } from "../security/principal.ts";
import { isResourceId, mayBelong } from "./address.ts";
import type { RunClient } from "./client.ts";
import type { LogQuery, LogSlice } from "./logs.ts";
import type { Snapshot } from "./store-types.ts";
import type { EventSource } from "./streaming.ts";
import type { StoredResult } from "./types.ts";
import type { AttemptView } from "./views.ts";

export class RunAccess {
  readonly #runs: RunClient;
  readonly #blobs: R2Bucket;
  readonly #kind: string;
  readonly #hint: (id: string) => string | null;

  /**
   * `kind` is what the resource is called in messages; `hint` says of an id that is none what it is,
   * null when it does not know either.
   */
  constructor(
    runs: RunClient,
    blobs: R2Bucket,
    kind: string,
    hint: (id: string) => string | null = () => null,
  ) {
    this.#runs = runs;
    this.#blobs = blobs;
    this.#kind = kind;
    this.#hint = hint;
  }

  /** The resource with its newest run, or the one asked for. Throws `not_found`. */
  async read(principal: Principal, id: string, run: number | null = null): Promise<Snapshot> {
    this.#guard(principal, id);
    const snapshot = await this.#runs.read(id, run).catch(async (error: unknown) => {
      if (run === null || !isNotFound(error)) throw error;
      const { resource } = await this.read(principal, id);
      throw this.#noSuchRun(id, run, resource.run);
    });
    if (!maySee(principal, snapshot.resource.project_id)) throw notFound(this.#kind, id);
    return snapshot;
  }

  /** An action is open to whoever sees the resource; the id's project hash is checked, then the project. */
  async permit(principal: Principal, id: string): Promise<void> {
    this.#guard(principal, id);
    if (principal.projects === "*") return;
    if (!maySee(principal, await this.#runs.projectOf(id))) throw notFound(this.#kind, id);
  }

  result(stored: StoredResult | null): Promise<Json> {
    return readResult(this.#blobs, stored);
  }

  async attempts(
    principal: Principal,
    id: string,
    run: number | null,
  ): Promise<readonly AttemptView[]> {
    const { resource } = await this.read(principal, id, run);
    return resource.run === 0 ? [] : this.#runs.attempts(id, run);
  }

  async log(principal: Principal, id: string, query: LogQuery): Promise<LogSlice> {
    const { resource } = await this.read(principal, id, query.run);
    if (resource.run === 0) return { body: new Uint8Array(), from: 0, total: 0 };
    return this.#runs.log(id, query);
  }

  /** The events of a run after `after`; null when it has ended and nothing is left to tell. */
  async events(
    principal: Principal,
    id: string,
    run: number | null,
    after: number,
  ): Promise<EventSource | null> {
    const { resource } = await this.read(principal, id, run);
    const chosen = run ?? Math.max(1, resource.run);
    const { events, ended } = await this.#runs.events(id, chosen, after);
    if (ended && !events.some((event) => event.run === chosen)) return null;
    return { run: chosen, follow: (signal) => this.#runs.follow(id, chosen, after, signal) };
  }

  /** Throws `not_found` for an id that cannot be the caller's, before any object is touched. */
  #guard(principal: Principal, id: string): void {
    if (couldSee(principal, id)) return;
    const hint = this.#hint(id);
    throw hint === null ? notFound(this.#kind, id) : new ApiError("not_found", hint);
  }

  #noSuchRun(id: string, run: number, newest: number): ApiError {
    const runs = newest === 0 ? "It has not been run yet." : `Its newest run is ${newest}.`;
    return new ApiError("not_found", `The ${this.#kind} ${id} has no run ${run}. ${runs}`, {
      members: { newest_run: newest },
    });
  }
}

/** Whether an id can be of a resource that the caller may see; no object is asked. */
export function couldSee({ projects }: Principal, id: string): boolean {
  if (projects === "*") return isResourceId(id);
  return [...projects].some((project) => mayBelong(id, project));
}

/** A result, wherever it lies. */
export async function readResult(blobs: R2Bucket, stored: StoredResult | null): Promise<Json> {
  if (stored === null) return null;
  if (stored.kind === "inline") return JSON.parse(stored.json);
  const object = await blobs.get(stored.key);
  if (object) return object.json();
  throw new ApiError(
    "unavailable",
    "The result is not to be had from the blob store now. Try again.",
  );
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found";
}
