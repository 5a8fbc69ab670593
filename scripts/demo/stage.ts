/** What every part of the demo is given. */
import type { Sources } from "./sources.ts";

export interface Stage {
  readonly url: string;
  readonly key: string;
  readonly sources: Sources;
  /** Aborts when somebody wants the demo to end. */
  readonly interruption: AbortSignal;
}
