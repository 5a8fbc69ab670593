/**
 * What can be made to go wrong. Set by code (`engine.faults.set({...})`) or, for the CLI, by the
 * variable FAKE_DAGGER_FAULTS, which holds JSON or the path of a JSON file:
 *
 *   {"unreachable": true}                                   no engine answers: the CLI exits with 1
 *   {"startDelayMs": 500}                                   the CLI takes that long to connect
 *   {"pullFailures": {"node:22": "toomanyrequests: …"}}     pulling that reference fails so
 *   {"dropConnection": {"at": "exec", "times": 1}}          the query's connection is cut
 *   {"killEngine": {"at": "output"}}                        the engine dies, and all it executes
 *   {"hugeOutput": {"bytes": 1000000, "stream": "stderr"}}  a command prints that much more
 *   {"cutLogStream": {"afterEvents": 1, "times": 1}}        /v1/logs ends after so many events
 *
 * `at` is a moment of a query: it came in ("query"), its first command was started ("exec"), one
 * wrote its first output ("output"), half of the answer has been sent ("response").
 */
import { readFileSync } from "node:fs";
import { z } from "zod";

const times = z.int().positive().default(1);
const moment = z.enum(["query", "exec", "output", "response"]);
export type Moment = z.output<typeof moment>;

export const faultsSchema = z.strictObject({
  unreachable: z.boolean().optional(),
  startDelayMs: z.int().nonnegative().optional(),
  pullFailures: z.record(z.string(), z.string()).optional(),
  dropConnection: z.strictObject({ at: moment, times }).optional(),
  killEngine: z.strictObject({ at: moment.exclude(["response"]) }).optional(),
  hugeOutput: z
    .strictObject({
      bytes: z.int().positive(),
      stream: z.enum(["stdout", "stderr"]).default("stdout"),
      times,
    })
    .optional(),
  cutLogStream: z.strictObject({ afterEvents: z.int().nonnegative(), times }).optional(),
});
export type FaultsInput = z.input<typeof faultsSchema>;
type FaultsSet = z.output<typeof faultsSchema>;

export class Faults {
  #set: FaultsSet = {};

  constructor(input: FaultsInput = {}) {
    this.set(input);
  }

  /** Replaces every fault that is set. */
  set(input: FaultsInput): void {
    this.#set = faultsSchema.parse(input);
  }

  get unreachable(): boolean {
    return this.#set.unreachable === true;
  }

  get startDelayMs(): number {
    return this.#set.startDelayMs ?? 0;
  }

  pullFailure(reference: string): string | null {
    return this.#set.pullFailures?.[reference] ?? null;
  }

  takeDrop(at: Moment): boolean {
    return this.#set.dropConnection?.at === at && this.#take(this.#set.dropConnection);
  }

  kills(at: Moment): boolean {
    return this.#set.killEngine?.at === at;
  }

  takeHugeOutput(): { readonly bytes: number; readonly stream: "stdout" | "stderr" } | null {
    const fault = this.#set.hugeOutput;
    return fault !== undefined && this.#take(fault) ? fault : null;
  }

  /** Whether a log stream that has sent so many events ends now. */
  takeLogCut(sentEvents: number): boolean {
    const fault = this.#set.cutLogStream;
    return fault !== undefined && sentEvents >= fault.afterEvents && this.#take(fault);
  }

  #take(fault: { times: number }): boolean {
    if (fault.times === 0) return false;
    fault.times -= 1;
    return true;
  }
}

export function readFaults(value: string | undefined): FaultsInput {
  if (value === undefined || value === "") return {};
  const text = value.trimStart().startsWith("{") ? value : readFileSync(value, "utf8");
  return faultsSchema.parse(JSON.parse(text));
}
