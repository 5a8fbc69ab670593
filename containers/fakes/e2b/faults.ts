/** What the fake does wrong on purpose, and for how often. */
import { z } from "zod";

const times = z.int().min(1).optional().describe("How often; without it until it is changed.");

export const faultsSchema = z.strictObject({
  /** The next creates are refused, and nothing is made. */
  fail_creates: z
    .strictObject({
      status: z.literal([429, 500, 503]),
      times,
      retry_after_seconds: z.int().min(0).optional(),
    })
    .nullable(),
  /** Creates are begun only once it is off again. */
  hold_creates: z.boolean(),
  /** So many creates succeed and lose their reply, by a broken connection. */
  lose_create_replies: z.int().min(0),
  /** Streams of processes break after so many bytes or milliseconds. */
  drop_streams: z
    .strictObject({
      after_bytes: z.int().min(0).optional(),
      after_ms: z.int().min(0).optional(),
      times,
    })
    .nullable(),
  /** Every reply begins so much later. */
  latency_ms: z.int().min(0),
  /** Uploads fail for want of space. */
  disk_full: z.boolean(),
  /** Every connection is broken, those that are open included, except those that switch faults. */
  refuse_all: z.boolean(),
});

export type FaultSettings = z.output<typeof faultsSchema>;
export type FaultChange = { readonly [K in keyof FaultSettings]?: FaultSettings[K] | undefined };

export interface DropPlan {
  readonly afterBytes: number | undefined;
  readonly afterMs: number | undefined;
}

export type CreateFault =
  | { readonly kind: "refuse"; readonly status: number; readonly retryAfterSeconds: number | null }
  | { readonly kind: "lose_reply" };

const NONE: FaultSettings = {
  fail_creates: null,
  hold_creates: false,
  lose_create_replies: 0,
  drop_streams: null,
  latency_ms: 0,
  disk_full: false,
  refuse_all: false,
};

/** One use less; null when that was the last. */
function spend<T extends { times?: number | undefined }>(fault: T): T | null {
  if (fault.times === undefined) return fault;
  return fault.times > 1 ? { ...fault, times: fault.times - 1 } : null;
}

export class Faults {
  #settings: FaultSettings = NONE;
  readonly #heldCreates = new Set<() => void>();

  get settings(): FaultSettings {
    return this.#settings;
  }

  /** Changes what it names and leaves the rest. */
  set(change: FaultChange): void {
    const given = Object.entries(change).filter(([, value]) => value !== undefined);
    this.#settings = faultsSchema.parse({ ...this.#settings, ...Object.fromEntries(given) });
    this.#letCreatesGo();
  }

  clear(): void {
    this.#settings = NONE;
    this.#letCreatesGo();
  }

  #letCreatesGo(): void {
    if (this.#settings.hold_creates) return;
    for (const letGo of this.#heldCreates) letGo();
    this.#heldCreates.clear();
  }

  /** Resolves when a create may begin. */
  async createHeld(): Promise<void> {
    if (!this.#settings.hold_creates) return;
    await new Promise<void>((resolve) => this.#heldCreates.add(resolve));
  }

  /** The fault that the next create meets, used up by asking. */
  takeCreate(): CreateFault | null {
    const { fail_creates: failing, lose_create_replies: losing } = this.#settings;
    if (failing) {
      this.#settings = { ...this.#settings, fail_creates: spend(failing) };
      const { status, retry_after_seconds: seconds } = failing;
      return { kind: "refuse", status, retryAfterSeconds: seconds ?? null };
    }
    if (losing === 0) return null;
    this.#settings = { ...this.#settings, lose_create_replies: losing - 1 };
    return { kind: "lose_reply" };
  }

  /** When the next stream breaks, used up by asking. */
  takeDrop(): DropPlan | null {
    const { drop_streams: dropping } = this.#settings;
    if (!dropping) return null;
    this.#settings = { ...this.#settings, drop_streams: spend(dropping) };
    return { afterBytes: dropping.after_bytes, afterMs: dropping.after_ms };
  }
}
