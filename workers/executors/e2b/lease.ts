/**
 * The sandbox that steps of one run share, pure: who uses it, and what is to be done next for it.
 * There is one of a run, template and network; it is made for the first who joins, and ends when
 * nobody has used it for a while.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { RENEW_MS } from "./drive.ts";
import { failedOnce } from "./reach.ts";
import { CREATE_LIMIT_MS } from "./sandbox.ts";
import { type Unmade, unmadeSchema } from "./state.ts";

/** A member that does not join again within this is gone. */
export const MEMBER_LEASE_MS = 60_000;
/** After the end of its run, members have so long to leave. */
export const OVER_GRACE_MS = 5_000;
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
  | {
      readonly status: "waiting";
      readonly position: number;
      readonly why: string | null;
      readonly unmade: Unmade | null;
    }
  /** The sandbox that the member is in is not there any more. */
  | { readonly status: "gone" }
  /** Such a sandbox is not to be had. */
  | { readonly status: "refused"; readonly code: string; readonly message: string };

/** What attempts, and the sweeper, ask of the object that has a shared sandbox. */
export interface SandboxLeases {
  /** Joins, or stays in `sandboxId`, null before it has one; repeated while it waits and works. */
  join(member: string, ask: LeaseAsk, sandboxId: string | null): Promise<JoinAnswer>;
  /**
   * The member's part of the sandbox's time, in ms, which does not grow any more; null for none that
   * is known here. It stays the same until the member leaves.
   */
  bill(member: string): Promise<number | null>;
  leave(member: string): Promise<void>;
  /** The run has ended: the sandbox ends as soon as its members have left, or OVER_GRACE_MS later. */
  over(): Promise<void>;
  /** Says that a sandbox does not seem to be there any more. */
  gone(sandboxId: string): Promise<void>;
  /** Whether the sandbox is, or may come to be, the one that is shared. */
  holds(sandboxId: string): Promise<boolean>;
}

export function leaseKey({
  resource_id,
  run,
  template,
  allow,
}: Pick<LeaseAsk, "resource_id" | "run" | "template" | "allow">): string {
  const kind = createHash("sha256").update(JSON.stringify([template, [...allow].sort()]));
  return `${resource_id}/${run}/${kind.digest("hex").slice(0, KEY_CHARS)}`;
}

const partSchema = z.object({ ms: z.number(), is_settled: z.boolean() });

export const leaseSchema = z.object({
  version: z.literal(1),
  ask: leaseAskSchema,
  /** Until when each member is in, by its name, ms since 1970. */
  members: z.record(z.string(), z.number()),
  /** Each member's part of the sandbox's time; one that is settled needs the sandbox no more. */
  parts: z.record(z.string(), partSchema).default({}),
  /** Until when the sandbox's time was divided among those who were in it. */
  divided_until: z.number().default(0),
  /** Its time in which nobody was in it, and which the next who joins takes part of. */
  idle_ms: z.number().default(0),
  /** When its run ended, ms since 1970. */
  over_since: z.number().nullable().default(null),
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
  unmade: unmadeSchema.nullable().default(null),
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
    parts: {},
    divided_until: 0,
    idle_ms: 0,
    over_since: null,
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
    unmade: null,
    failures: 0,
    retry_at: 0,
  };
}

const lastUse = ({ members, parts, left_at }: Lease) =>
  Object.entries(members)
    .filter(([member]) => parts[member]?.is_settled !== true)
    .reduce((last, [, until]) => Math.max(last, until), left_at);

const hasMembers = (lease: Lease, now: number) =>
  Object.values(lease.members).some((until) => until > now);

/** Those who need the sandbox. */
const usersOf = ({ members, parts }: Lease, now: number) =>
  Object.entries(members)
    .filter(([member, until]) => until > now && parts[member]?.is_settled !== true)
    .map(([member]) => member);

/** Divides the sandbox's time up to now in equal parts among those who were in it. */
function divided(lease: Lease, now: number): Lease {
  if (lease.sandbox_id === null) return { ...lease, divided_until: now };
  const from = Math.max(lease.divided_until, lease.sandbox_since);
  const ms = Math.max(0, now - from);
  const users = usersOf(lease, from);
  const parts = { ...lease.parts };
  for (const user of users) {
    parts[user] = { ms: (parts[user]?.ms ?? 0) + ms / users.length, is_settled: false };
  }
  const idle_ms = users.length === 0 ? lease.idle_ms + ms : lease.idle_ms;
  return { ...lease, parts, idle_ms, divided_until: Math.max(from, now) };
}

const settledParts = (parts: Lease["parts"]): Lease["parts"] =>
  Object.fromEntries(
    Object.entries(parts).map(([member, { ms }]) => [member, { ms, is_settled: true }]),
  );

export interface Joining {
  readonly member: string;
  readonly ask: LeaseAsk;
  /** The one that the member has; null for none yet. */
  readonly sandbox_id: string | null;
}

export function joined(before: Lease, { member, ask, sandbox_id }: Joining, now: number): Lease {
  const lease = divided(before, now);
  const members = { ...lease.members, [member]: now + MEMBER_LEASE_MS };
  const ttl_ms = Math.max(lease.ask.ttl_ms, ask.ttl_ms);
  // Whoever comes after the end of a refusal's members may find it remedied.
  const refusal = hasMembers(lease, now) ? lease.refusal : null;
  const next = { ...lease, members, refusal, ask: { ...lease.ask, ttl_ms } };
  const ms = lease.parts[member]?.ms;
  if (sandbox_id === null) {
    const part = { ms: (ms ?? 0) + lease.idle_ms, is_settled: false };
    return { ...next, parts: { ...lease.parts, [member]: part }, idle_ms: 0 };
  }
  if (sandbox_id === lease.sandbox_id) return next;
  // One whose sandbox was lost needs no other: its code is lost with it.
  if (ms === undefined) return lease;
  return { ...next, parts: { ...lease.parts, [member]: { ms, is_settled: true } } };
}

export function left(before: Lease, member: string, now: number): Lease {
  if (before.members[member] === undefined) return before;
  const lease = divided(before, now);
  const { [member]: _until, ...members } = lease.members;
  const { [member]: _part, ...parts } = lease.parts;
  return { ...lease, members, parts, left_at: now };
}

/** The member's part is what it is now. */
export function billed(before: Lease, member: string, now: number): Lease {
  const lease = divided(before, now);
  const part = lease.parts[member];
  if (part === undefined || part.is_settled) return lease;
  const parts = { ...lease.parts, [member]: { ...part, is_settled: true } };
  return { ...lease, parts, left_at: now };
}

/** The sandbox is not there any more, nor does anybody who was in it need another. */
export function lostSandbox(before: Lease, now: number): Lease {
  const { parts, ...lease } = divided(before, now);
  return { ...lease, parts: settledParts(parts), sandbox_id: null, is_ending: false, idle_ms: 0 };
}

/** The sandbox was killed; those who joined meanwhile get the next one. */
export function killedSandbox(before: Lease, now: number): Lease {
  if (before.over_since !== null) return lostSandbox(before, now);
  return { ...divided(before, now), sandbox_id: null, is_ending: false, idle_ms: 0 };
}

export function overSince(lease: Lease, now: number): Lease {
  return { ...lease, over_since: lease.over_since ?? now };
}

export function settledWith(lease: Lease, change: Partial<Lease>): Lease {
  return { ...lease, failures: 0, retry_at: 0, trouble: null, ...change };
}

/** `isDown`: no sandbox could be made, and not for want of room. */
export function failedWith(lease: Lease, trouble: string, isDown: boolean, now: number): Lease {
  const failures = lease.failures + 1;
  const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
  const isUnmade = isDown && lease.sandbox_id === null;
  const unmade = isUnmade ? failedOnce(lease.unmade, trouble, now) : lease.unmade;
  return { ...lease, failures, retry_at: now + wait, trouble, unmade };
}

/** There is a sandbox, and has been since then. */
export function madeSandbox(lease: Lease, id: string, since: number): Lease {
  const made = {
    create: "idle",
    sandbox_id: id,
    sandbox_since: since,
    divided_until: since,
  } as const;
  return settledWith(lease, { ...made, idle_ms: 0, unmade: null });
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
  if (lease.create === "unclear") return afterUnclear(lease, now);
  const isThere = lease.sandbox_id !== null;
  if (isThere && (lease.is_ending || isToEnd(lease, facts.idle_ms, now))) return "kill";
  const isUsed = lease.over_since === null && usersOf(lease, now).length > 0;
  if (!isThere && !isUsed) return end === "forget" && hasMembers(lease, now) ? null : end;
  if (lease.slot === "none" || now >= lease.renew_at) return "take_slot";
  return !isThere && lease.refusal === null ? "create" : null;
}

/** What an E2B out of reach may yet have made neither keeps a slot nor outlives its own time. */
function afterUnclear(lease: Lease, now: number): LeaseStep {
  if (usersOf(lease, now).length > 0) return "find";
  if (lease.unmade !== null && lease.slot === "held") return "release_slot";
  const endsAt = lease.unclear_since + CREATE_LIMIT_MS + lease.ask.ttl_ms;
  return now >= endsAt && lease.slot === "none" && lease.position === null ? "forget" : "find";
}

function isToEnd(lease: Lease, idleMs: number, now: number): boolean {
  if (lease.over_since === null) {
    return usersOf(lease, now).length === 0 && now >= lastUse(lease) + idleMs;
  }
  return !hasMembers(lease, now) || now >= lease.over_since + OVER_GRACE_MS;
}

const OVER = { code: "run_over", message: "The run has ended, and its sandbox with it." };

/** When there may be something to do, if nothing happens before. */
export function leaseWakeAt(lease: Lease, idleMs: number, now: number): number {
  const times = [lease.retry_at, lease.renew_at, lastUse(lease), lastUse(lease) + idleMs];
  if (lease.over_since !== null) times.push(lease.over_since + OVER_GRACE_MS);
  return Math.min(now + RENEW_MS, ...times.filter((time) => time > now));
}

/** `has`: the sandbox that the member is in. */
export function answerOf(lease: Lease, has: string | null): JoinAnswer {
  const { sandbox_id, is_ending, refusal, position, trouble, unmade } = lease;
  if (has !== null && has !== sandbox_id) return { status: "gone" };
  if (lease.over_since !== null) return { status: "refused", ...OVER };
  if (sandbox_id !== null && !is_ending) return { status: "ready", sandbox_id };
  if (refusal !== null) return { status: "refused", ...refusal };
  return { status: "waiting", position: position ?? 0, why: trouble, unmade };
}
