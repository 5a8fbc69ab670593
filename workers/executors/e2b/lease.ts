/**
 * The sandbox that steps of one run share, pure: who uses it, and what is to be done next for it.
 * There is one of a run, template and network; it is made for the first who joins, and ends when
 * nobody has used it for a while.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { RENEW_MS } from "./drive.ts";
import { CREATE_LIMIT_MS } from "./sandbox.ts";

/** A member that does not join again within this is gone. */
export const MEMBER_LEASE_MS = 60_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 15_000;
const KEY_CHARS = 16;

export const leaseAskSchema = z.object({
  resource_id: z.string(),
  run: z.int(),
  project_id: z.string(),
  template: z.string(),
  allow: z.array(z.string()),
  priority: z.number(),
  ttl_ms: z.number(),
});
/** The sandbox that a member wants, and for how long. */
export type LeaseAsk = Readonly<z.output<typeof leaseAskSchema>>;

export type JoinAnswer =
  | { readonly status: "ready"; readonly sandbox_id: string }
  /** `position` is its place in the queue of all sandboxes, 0 once it has left that. */
  | { readonly status: "waiting"; readonly position: number; readonly why: string | null }
  /** Such a sandbox is not to be had. */
  | { readonly status: "refused"; readonly code: string; readonly message: string };

/** What attempts, and the sweeper, ask of the object that has a shared sandbox. */
export interface SandboxLeases {
  /** Joins, or stays in; repeated while it waits and while it works. */
  join(member: string, ask: LeaseAsk): Promise<JoinAnswer>;
  leave(member: string): Promise<void>;
  /** Says that a sandbox does not seem to be there any more. */
  gone(sandboxId: string): Promise<void>;
  /** Whether the sandbox is, or may come to be, the one that is shared. */
  holds(sandboxId: string): Promise<boolean>;
}

export function leaseKey({ resource_id, run, template, allow }: LeaseAsk): string {
  const kind = createHash("sha256").update(JSON.stringify([template, [...allow].sort()]));
  return `${resource_id}/${run}/${kind.digest("hex").slice(0, KEY_CHARS)}`;
}

export const leaseSchema = z.object({
  version: z.literal(1),
  ask: leaseAskSchema,
  /** Until when each member is in, by its name, ms since 1970. */
  members: z.record(z.string(), z.number()),
  /** When the last member left. */
  left_at: z.number(),
  slot: z.enum(["none", "held"]),
  position: z.int().nullable(),
  renew_at: z.number(),
  /** `asked`: the request may be under way; `unclear`: nobody knows what came of it. */
  create: z.enum(["idle", "asked", "unclear"]),
  unclear_since: z.number(),
  sandbox_id: z.string().nullable(),
  sandbox_since: z.number(),
  /** Its sandbox is being killed, so that nobody may join it any more. */
  is_ending: z.boolean(),
  refusal: z.object({ code: z.string(), message: z.string() }).nullable(),
  trouble: z.string().nullable(),
  failures: z.int(),
  retry_at: z.number(),
});
export type Lease = Readonly<z.output<typeof leaseSchema>>;

export type LeaseStep = "take_slot" | "create" | "find" | "kill" | "release_slot" | "forget";

export function newLease(ask: LeaseAsk): Lease {
  return {
    version: 1,
    ask,
    members: {},
    left_at: 0,
    slot: "none",
    position: null,
    renew_at: 0,
    create: "idle",
    unclear_since: 0,
    sandbox_id: null,
    sandbox_since: 0,
    is_ending: false,
    refusal: null,
    trouble: null,
    failures: 0,
    retry_at: 0,
  };
}

const lastUse = ({ members, left_at }: Lease) => Math.max(left_at, ...Object.values(members));

const hasMembers = (lease: Lease, now: number) =>
  Object.values(lease.members).some((until) => until > now);

export function joined(lease: Lease, member: string, ask: LeaseAsk, now: number): Lease {
  const members = { ...lease.members, [member]: now + MEMBER_LEASE_MS };
  const ttl_ms = Math.max(lease.ask.ttl_ms, ask.ttl_ms);
  // Whoever comes after the end of a refusal's members may find it remedied.
  const refusal = hasMembers(lease, now) ? lease.refusal : null;
  return { ...lease, members, refusal, ask: { ...lease.ask, ttl_ms } };
}

export function left(lease: Lease, member: string, now: number): Lease {
  const { [member]: until, ...members } = lease.members;
  return until === undefined ? lease : { ...lease, members, left_at: now };
}

export function settledWith(lease: Lease, change: Partial<Lease>): Lease {
  return { ...lease, failures: 0, retry_at: 0, trouble: null, ...change };
}

export function failedWith(lease: Lease, trouble: string, now: number): Lease {
  const failures = lease.failures + 1;
  const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
  return { ...lease, failures, retry_at: now + wait, trouble };
}

/** After a reset, nobody hears the answer to a create that was under way. */
export function restartedLease(lease: Lease, now: number): Lease {
  return lease.create === "asked" ? { ...lease, create: "unclear", unclear_since: now } : lease;
}

/** Whether a create that does not show by now made nothing. */
export const isSettled = (lease: Lease, now: number) => now - lease.unclear_since > CREATE_LIMIT_MS;

export interface LeaseFacts {
  /** A sandbox ends when nobody has used it for so long. */
  readonly idle_ms: number;
  /** Sandboxes are switched on: without, one that is there can only be left to its time. */
  readonly isReachable: boolean;
}

/** Null when nothing is to be done now. */
export function nextStep(lease: Lease, facts: LeaseFacts, now: number): LeaseStep | null {
  if (now < lease.retry_at || (lease.create === "asked" && facts.isReachable)) return null;
  const end = lease.slot === "held" || lease.position !== null ? "release_slot" : "forget";
  if (!facts.isReachable) return end;
  if (lease.create === "unclear") return "find";
  const isUsed = hasMembers(lease, now);
  const isThere = lease.sandbox_id !== null;
  if (isThere && lease.is_ending) return "kill";
  if (!isUsed && !(isThere && now < lastUse(lease) + facts.idle_ms)) return isThere ? "kill" : end;
  if (lease.slot === "none" || now >= lease.renew_at) return "take_slot";
  return !isThere && isUsed && lease.refusal === null ? "create" : null;
}

/** When there may be something to do, if nothing happens before. */
export function leaseWakeAt(lease: Lease, idleMs: number, now: number): number {
  const times = [lease.retry_at, lease.renew_at, lastUse(lease), lastUse(lease) + idleMs];
  return Math.min(now + RENEW_MS, ...times.filter((time) => time > now));
}

export function answerOf(lease: Lease): JoinAnswer {
  const { sandbox_id, is_ending, refusal, position, trouble } = lease;
  if (sandbox_id !== null && !is_ending) return { status: "ready", sandbox_id };
  if (refusal !== null) return { status: "refused", ...refusal };
  return { status: "waiting", position: position ?? 0, why: trouble };
}
