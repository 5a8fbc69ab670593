/** How a fake of a neighbour misbehaves, until it is told otherwise or has done so often enough. */
import { z } from "zod";

export const faultSchema = z.strictObject({
  kind: z.enum([
    /** Nothing listens any more, as far as a client can tell: the connection is dropped. */
    "down",
    /** Works, and answers after so long. */
    "slow",
    /** Takes the request and never answers. */
    "half_open",
    /** Takes the request, and works only when it is told of another fault, or of none. */
    "held",
    /** Works, and breaks the connection instead of answering. */
    "cut",
    /** Answers with `status` and does nothing. */
    "status",
    /** Works, and answers with what is no JSON. */
    "malformed",
  ]),
  status: z.int().min(400).max(599).default(500),
  retry_after_seconds: z.number().nullable().default(null),
  delay_ms: z.number().min(0).default(0),
  /** Of requests whose path begins so; of all unless said. */
  path: z.string().default("/"),
  /** Of requests of this very path alone. */
  is_exact: z.boolean().default(false),
  method: z.enum(["GET", "POST", "PATCH", "PUT", "DELETE"]).nullable().default(null),
  /** How many requests it is for; null for all to come. */
  times: z.int().positive().nullable().default(null),
});
export type Fault = z.output<typeof faultSchema>;
export type FaultInput = z.input<typeof faultSchema>;

export class Faults {
  #fault: Fault | null = null;
  #left = 0;
  #changed = Promise.withResolvers<void>();

  set(fault: FaultInput | null): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#fault = fault && faultSchema.parse(fault);
    this.#left = this.#fault?.times ?? Infinity;
  }

  /** Resolves when it is told of another. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** The one that a request meets; null for none. */
  meet(method: string, path: string): Fault | null {
    const fault = this.#fault;
    if (fault === null || this.#left <= 0 || !path.startsWith(fault.path)) return null;
    if (fault.is_exact && path !== fault.path) return null;
    if (fault.method !== null && fault.method !== method) return null;
    this.#left -= 1;
    return fault;
  }
}
