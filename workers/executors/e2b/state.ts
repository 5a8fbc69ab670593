/** What an attempt's object knows of it: small, and written with every step that it takes. */
import { z } from "zod";
import { dispatchSchema } from "../detached.ts";

/** What one command works on; each does one thing at a time. */
export const LANES = ["slot", "sandbox", "link", "owner"] as const;
export type Lane = (typeof LANES)[number];

const laneSchema = z.object({
  /** Failures in a row. */
  failures: z.int(),
  /** Nothing is tried before, ms since 1970. */
  retry_at: z.number(),
});

export const unmadeSchema = z.object({
  /** Of the first failure in a row, ms since 1970. */
  since: z.number(),
  tries: z.int(),
  /** Of the newest one, for people. */
  why: z.string(),
});
/** That no sandbox could be made ready, since E2B cannot be reached or fails. */
export type Unmade = Readonly<z.output<typeof unmadeSchema>>;

export const stateSchema = z.object({
  version: z.literal(1),
  dispatch: dispatchSchema,
  timeout_ms: z.number(),
  priority: z.number(),
  /**
   * `queued` waits for a slot and a token, `running` begins with the first try to start the code,
   * `collecting` once the code has ended, `ending` once it is settled what is reported.
   */
  phase: z.enum(["queued", "creating", "preparing", "running", "collecting", "ending"]),
  slot: z.enum(["none", "held"]),
  slot_position: z.int().nullable(),
  /** When the slot's lease is renewed. */
  renew_at: z.number(),
  /** `asked`: the request may be under way; `unclear`: nobody knows what came of it. */
  create: z.enum(["idle", "asked", "unclear"]),
  unclear_since: z.number(),
  /** A create came to be unclear once, so that sandboxes may turn up that nobody told of. */
  has_strays: z.boolean(),
  sandbox_id: z.string().nullable(),
  sandbox_since: z.number(),
  /** When it ended, as far as anybody knows; null while there is none, or it lives. */
  sandbox_until: z.number().nullable().default(null),
  /** How long sandboxes lived that an unclear create made beside the one that was kept. */
  stray_ms: z.number().default(0),
  ttl_until: z.number(),
  started_at: z.number().nullable(),
  stop: z.object({ reason: z.enum(["cancel", "timeout"]), at: z.number() }).nullable(),
  /** The code's processes were ended by a stop. */
  is_code_dead: z.boolean(),
  /**
   * What has to be reported in the end; `silence` for a dispatch that is not wanted any more. No
   * sandbox could be made ready: `unavailable` has the next executor tried, `undeliverable` fails.
   */
  verdict: z.enum(["none", "outcome", "lost", "silence", "unavailable", "undeliverable"]),
  is_start_reported: z.boolean(),
  is_end_reported: z.boolean(),
  is_killed: z.boolean(),
  /** The owner knows what the sandbox came to cost, also when the end was not wanted any more. */
  is_spent_told: z.boolean().default(false),
  unmade: unmadeSchema.nullable().default(null),
  /** It is in the sandbox that its run shares, and only leaves that in the end. */
  is_shared: z.boolean().default(false),
  /** Sandboxes were switched off meanwhile, so that nothing can be done to this one any more. */
  is_out_of_reach: z.boolean().default(false),
  /** Why it does not get on, for people. */
  trouble: z.string().nullable(),
  lanes: z.object({ slot: laneSchema, sandbox: laneSchema, link: laneSchema, owner: laneSchema }),
});
export type AttemptState = Readonly<z.output<typeof stateSchema>>;

const IDLE = { failures: 0, retry_at: 0 };

export function initialState(
  dispatch: AttemptState["dispatch"],
  {
    timeout_ms,
    priority,
    is_shared,
  }: {
    readonly timeout_ms: number;
    readonly priority: number;
    readonly is_shared: boolean;
  },
): AttemptState {
  return {
    version: 1,
    dispatch,
    timeout_ms,
    priority,
    phase: "queued",
    slot: "none",
    slot_position: null,
    renew_at: 0,
    create: "idle",
    unclear_since: 0,
    has_strays: false,
    sandbox_id: null,
    sandbox_since: 0,
    sandbox_until: null,
    stray_ms: 0,
    ttl_until: 0,
    started_at: null,
    stop: null,
    is_code_dead: false,
    verdict: "none",
    is_start_reported: false,
    is_end_reported: false,
    is_killed: false,
    is_spent_told: false,
    unmade: null,
    is_shared,
    is_out_of_reach: false,
    trouble: null,
    lanes: { slot: IDLE, sandbox: IDLE, link: IDLE, owner: IDLE },
  };
}

/** Whether the code may have been started; from then on it must not be in another sandbox. */
export function mayRun(state: AttemptState): boolean {
  return state.started_at !== null;
}
