/** What resolving one query can reach: its engine, its session, and itself. */
import type { Call } from "./call.ts";
import type { Engine } from "./engine.ts";
import type { Moment } from "./faults.ts";
import type { Progress } from "./progress.ts";
import type { SecretStore } from "./secrets.ts";
import type { Telemetry, Trace } from "./telemetry.ts";

export interface SessionContext {
  readonly secrets: SecretStore;
  readonly telemetry: Telemetry;
  readonly progress: Progress;
  /** Where relative host paths begin. */
  readonly hostDirectory: string;
}

export interface QueryContext {
  readonly engine: Engine;
  readonly session: SessionContext;
  /** Aborts when the client, the session or the engine is gone. */
  readonly signal: AbortSignal;
  readonly trace: Trace;
  /** Lets the faults of a moment happen. */
  reached(moment: Moment): void;
}

/** What a chain comes to on disk; asked for only when something has to be known. */
export interface Evaluation {
  /** The host path of a directory. */
  directory(call: Call): Promise<string>;
  /** The host path of a file. */
  file(call: Call): Promise<string>;
}
