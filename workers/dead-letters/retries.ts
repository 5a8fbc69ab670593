/** What redriving needs of resources with runs, whichever feature has them. */

import type { Principal, Scope } from "../security/principal.ts";
import type { ResourceKindName } from "./repository.ts";

/** The newest run of a resource, with how one of its steps ended. */
export interface NewestRun {
  readonly run: number;
  readonly status: string;
  readonly retry_of: number | null;
  /** Why the step failed; null when it did not. */
  readonly code: string | null;
}

export interface RunRetries {
  /** Who redrives begins a run, and has to be allowed to. */
  readonly scope: Scope;
  /** Null when nothing was run yet. Throws `not_found`. */
  newest(principal: Principal, id: string, step: number): Promise<NewestRun | null>;
  /**
   * Retries the newest run from what failed, as the public retry does; returns the number of the run
   * that it begins. A repeated `seed` begins no other.
   */
  retry(principal: Principal, id: string, seed: string): Promise<number>;
}

export type RetriesByKind = Readonly<Record<ResourceKindName, RunRetries>>;
