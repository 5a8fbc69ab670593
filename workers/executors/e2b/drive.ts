/**
 * How an attempt in a sandbox proceeds, pure: what was observed changes the state, and the state
 * says what is to be done next. Everything it asks for may be asked for again after a reset, so
 * that each command either changes nothing when repeated or is preceded by a committed intent.
 */
import type { StopReason } from "../port.ts";
import { failedOnce, isMaking, patienceEndsAt, withPatience } from "./reach.ts";
import { CREATE_LIMIT_MS } from "./sandbox.ts";
import { type AttemptState, LANES, type Lane, mayRun, type Unmade } from "./state.ts";

export const RENEW_MS = 20_000;
/** Above RENEW_MS by enough for an object that was down to come back to its slot. */
export const SLOT_LEASE_MS = 60_000;
/** Beyond the code's time, for what comes before and after it. */
export const TTL_MARGIN_MS = 120_000;
/** Every plan of E2B allows this much at once; a longer attempt extends it as it goes. */
export const MAX_TTL_MS = 3_600_000;
const EXTEND_BEFORE_MS = 600_000;
/** A create whose reply was lost shows in lists within this. */
export const CREATE_SETTLES_MS = 3_000;
/** How often it looks whether a sandbox shows. */
const FIND_MS = 500;
/** A stop that has not reached the code by then kills the whole sandbox. */
export const STOP_LIMIT_MS = 1_500;
/** The first in the queue for a slot asks again after this, each place behind as much later. */
const SLOT_WAIT_MS = 250;
const MAX_SLOT_WAIT_MS = 5_000;
/** Waits for a slot differ by up to this share, so that those who began together spread. */
const SLOT_WAIT_SPREAD = 0.5;
/** A look for a sandbox that does not show is repeated after this share of the time it took. */
const FIND_SHARE = 4;
const FIRST_RETRY_MS: Readonly<Record<Lane, number>> = {
  slot: 250,
  sandbox: 200,
  link: 50,
  owner: 100,
};
const MAX_RETRY_MS: Readonly<Record<Lane, number>> = {
  slot: 5_000,
  sandbox: 15_000,
  link: 3_000,
  owner: 10_000,
};
/** Between tries to stop code, for which somebody waits. */
const MAX_STOP_RETRY_MS = 300;
/** Failures in a row after which it asks whether the sandbox is still there. */
const FAILURES_BEFORE_PROBE = 2;

export type Command =
  | { readonly lane: "slot"; readonly do: "take_slot" | "take_token" | "release_slot" }
  | {
      readonly lane: "sandbox";
      readonly do:
        | "create"
        | "find"
        | "prepare"
        | "stop_code"
        | "collect"
        | "probe"
        | "extend"
        | "kill";
    }
  | { readonly lane: "link"; readonly do: "follow" | "give_up" }
  | { readonly lane: "owner"; readonly do: "report" | "tell_spent" };

export type Event =
  | { readonly type: "woke" | "restarted" | "fenced" | "slot_released" | "token_taken" }
  | { readonly type: "stop_asked"; readonly reason: StopReason }
  /** `spread`, from 0 to 1, tells waiters apart that ask at the same time. */
  | { readonly type: "slot"; readonly position: number; readonly spread: number }
  /** It waits for the sandbox that its run shares; the place is 0 once that is being created. */
  | {
      readonly type: "joining";
      readonly position: number;
      readonly spread: number;
      readonly why: string | null;
      readonly unmade: Unmade | null;
    }
  | { readonly type: "token_refused"; readonly retry_at: number }
  | { readonly type: "created"; readonly id: string }
  /** `isDown`: it was not for want of room. */
  | { readonly type: "create_refused"; readonly why: string; readonly isDown?: boolean }
  | { readonly type: "create_unclear"; readonly why: string }
  | { readonly type: "found"; readonly id: string | null; readonly stray_ms: number }
  | { readonly type: "prepared" | "code_ended" | "code_stopped" | "sandbox_there" }
  | { readonly type: "extended" | "sandbox_gone" | "switched_off" }
  /** `stray_ms`: how long others of the attempt lived that were killed with it. */
  | { readonly type: "killed"; readonly stray_ms: number }
  /** What the attempt came to is stored, in the same commit; `is_unmade`: no sandbox was created. */
  | { readonly type: "settled"; readonly is_unmade?: boolean }
  /** No sandbox is to be had for anybody, so that it is another executor's. */
  | { readonly type: "unusable"; readonly why: string }
  /** The owner was told what the sandbox cost. */
  | { readonly type: "spent_told" }
  | { readonly type: "reported"; readonly started: boolean; readonly ended: boolean }
  | {
      readonly type: "failed";
      readonly lane: Lane;
      readonly why: string;
      /** It worked for a while before. */
      readonly progressed?: boolean;
    };

export interface Facts {
  /** There is output, or a kept file, that the owner has not taken. */
  readonly hasUnreported: boolean;
  /** The owner is to be told that the dispatch is known. */
  readonly isAsked: boolean;
}

function lane(state: AttemptState, name: Lane, change: AttemptState["lanes"][Lane]): AttemptState {
  return { ...state, lanes: { ...state.lanes, [name]: change } };
}

const recovered = (state: AttemptState, name: Lane) =>
  lane(state, name, { failures: 0, retry_at: 0 });

function retryLater(state: AttemptState, name: Lane, now: number, from?: number): AttemptState {
  const failures = (from ?? state.lanes[name].failures) + 1;
  const isUrgent = name === "sandbox" && state.stop !== null;
  const wait = Math.min(
    isUrgent ? MAX_STOP_RETRY_MS : MAX_RETRY_MS[name],
    FIRST_RETRY_MS[name] * 2 ** Math.min(failures - 1, 10),
  );
  return lane(state, name, { failures, retry_at: now + wait });
}

/** Says that it was asked whether the sandbox is there, so that it is asked again after two more. */
function probed(state: AttemptState, name: Lane): AttemptState {
  const { failures, retry_at } = state.lanes[name];
  return isDoubtful(failures) ? lane(state, name, { failures: failures + 1, retry_at }) : state;
}

const isDoubtful = (failures: number) => failures > 0 && failures % FAILURES_BEFORE_PROBE === 0;

const deadlineOf = ({ started_at, timeout_ms }: AttemptState) =>
  started_at === null ? Number.POSITIVE_INFINITY : started_at + timeout_ms;

/**
 * When no sandbox can be left, whether it could be killed or not: E2B ends each at its time. Infinite
 * while that is not known.
 */
function leftAloneAt({ ttl_until, has_strays, unclear_since, timeout_ms, create }: AttemptState) {
  if (create === "asked") return Number.POSITIVE_INFINITY;
  const strayMs = CREATE_LIMIT_MS + Math.min(MAX_TTL_MS, timeout_ms + TTL_MARGIN_MS);
  return Math.max(ttl_until, has_strays ? unclear_since + strayMs : 0);
}

/** What the clock alone makes of a state. */
function withTime(before: AttemptState, now: number): AttemptState {
  const state = withPatience(withDeadline(before, now), now);
  const isLeft = state.phase === "ending" && !isSandboxDone(state) && now >= leftAloneAt(state);
  if (!isLeft) return state;
  return { ...ended(state, state.ttl_until), create: "idle", is_out_of_reach: true };
}

function withDeadline(state: AttemptState, now: number): AttemptState {
  const isDue = state.phase === "running" && state.stop === null && now >= deadlineOf(state);
  return isDue ? recovered({ ...state, stop: { reason: "timeout", at: now } }, "sandbox") : state;
}

/** How long a sandbox that is made or extended now has to live. */
export function ttlOf(state: AttemptState, now: number): number {
  const end = Math.min(deadlineOf(state), now + state.timeout_ms);
  return Math.min(MAX_TTL_MS, Math.max(0, end - now) + TTL_MARGIN_MS);
}

/** From the first to the next ask for a slot, by the place in the queue. */
export function slotWaitMs(position: number, spread: number): number {
  const wait = Math.min(MAX_SLOT_WAIT_MS, SLOT_WAIT_MS * position);
  return Math.round(wait * (1 - SLOT_WAIT_SPREAD * spread));
}

function ended(state: AttemptState, until: number): AttemptState {
  return state.sandbox_id === null || state.sandbox_until !== null
    ? state
    : { ...state, sandbox_until: Math.max(state.sandbox_since, until) };
}

/** The sandbox is not there any more, by our doing or not. */
function withoutSandbox(state: AttemptState, until: number): AttemptState {
  const gone: AttemptState = { ...ended(state, until), is_killed: true, is_code_dead: true };
  if (state.phase === "ending") return gone;
  // After a stop nothing else was to come of it, and the code is certainly dead.
  if (state.stop !== null) return { ...gone, phase: "collecting" };
  return { ...gone, phase: "ending", verdict: "lost" };
}

function adopt(state: AttemptState, id: string, now: number): AttemptState {
  const adopted: AttemptState = {
    ...recovered(state, "sandbox"),
    create: "idle",
    sandbox_id: id,
    sandbox_since: now,
    ttl_until: now + ttlOf(state, now),
    trouble: null,
    unmade: null,
  };
  return state.phase === "creating" ? { ...adopted, phase: "preparing" } : adopted;
}

function found(state: AttemptState, id: string | null, now: number): AttemptState {
  if (id !== null) return adopt(state, id, now);
  // Nothing looks again once it has ended, so that by then it has to be certain.
  const settlesMs = state.phase === "ending" ? CREATE_LIMIT_MS : CREATE_SETTLES_MS;
  const sought = now - state.unclear_since;
  if (sought < settlesMs) {
    const retry_at = now + Math.max(FIND_MS, Math.round(sought / FIND_SHARE));
    return lane(state, "sandbox", { failures: 0, retry_at });
  }
  const settled: AttemptState = { ...recovered(state, "sandbox"), create: "idle" };
  return state.phase === "creating" ? { ...settled, phase: "queued" } : settled;
}

function settled(before: AttemptState, isUnmade: boolean): AttemptState {
  const state: AttemptState = isUnmade ? { ...before, create: "idle" } : before;
  if (state.phase === "ending") return state;
  return {
    ...recovered(state, "sandbox"),
    phase: "ending",
    verdict: "outcome",
    trouble: null,
  };
}

function restarted(state: AttemptState, now: number): AttemptState {
  return state.create === "asked"
    ? { ...state, create: "unclear", has_strays: true, unclear_since: now }
    : state;
}

/** Nobody can reach the sandbox any more, which its time on the service's side ends. */
function switchedOff(state: AttemptState): AttemptState {
  const off: AttemptState = {
    ...ended(state, state.ttl_until),
    create: "idle",
    is_out_of_reach: true,
  };
  const isSettled = state.verdict === "silence" || state.is_end_reported || isEndDue(state);
  return isSettled ? off : { ...off, phase: "ending", verdict: "lost" };
}

/** Notes a failure to make a sandbox ready, while it is to be made. */
function unmade(state: AttemptState, why: string, now: number): AttemptState {
  return isMaking(state) ? { ...state, unmade: failedOnce(state.unmade, why, now) } : state;
}

/** The state after an observation; what comes too late to matter changes nothing. */
export function observe(before: AttemptState, event: Event, now: number): AttemptState {
  const state = withTime(before, now);
  switch (event.type) {
    case "woke":
      return state;
    case "restarted":
      return restarted(state, now);
    case "fenced":
      return { ...state, phase: "ending", verdict: "silence" };
    case "stop_asked":
      return state.stop !== null || state.phase === "ending"
        ? state
        : recovered({ ...state, stop: { reason: event.reason, at: now } }, "sandbox");
    case "slot": {
      const next = recovered(state, "slot");
      if (event.position === 0) {
        return { ...next, slot: "held", slot_position: null, renew_at: now + RENEW_MS };
      }
      const waiting: AttemptState = {
        ...next,
        slot_position: event.position,
        renew_at: now + RENEW_MS,
      };
      const retry_at = now + slotWaitMs(event.position, event.spread);
      return lane(waiting, "slot", { failures: 0, retry_at });
    }
    case "joining": {
      const next: AttemptState = { ...recovered(state, "slot"), renew_at: now + RENEW_MS };
      // A sandbox that it has is none to wait for.
      if (state.slot === "held") return next;
      const retry_at = now + slotWaitMs(1, event.spread);
      const { position: slot_position, why: trouble, unmade } = event;
      const waiting = { ...next, slot_position, trouble, unmade };
      return lane(waiting, "slot", { failures: 0, retry_at });
    }
    case "slot_released":
      return { ...recovered(state, "slot"), slot: "none", slot_position: null };
    case "token_refused":
      return lane(state, "slot", { failures: 0, retry_at: event.retry_at });
    case "token_taken":
      return state.phase === "queued" && state.stop === null
        ? { ...recovered(state, "slot"), phase: "creating", create: "asked" }
        : state;
    case "created":
      return adopt(state, event.id, now);
    case "create_refused": {
      const counted = event.isDown === true ? unmade(state, event.why, now) : state;
      const back = {
        ...retryLater(counted, "sandbox", now),
        create: "idle",
        trouble: event.why,
      } as const;
      return state.phase === "creating" ? { ...back, phase: "queued" } : back;
    }
    case "create_unclear":
      return {
        ...lane(unmade(state, event.why, now), "sandbox", {
          failures: 0,
          retry_at: now + FIND_MS,
        }),
        create: "unclear",
        has_strays: true,
        unclear_since: now,
        trouble: event.why,
      };
    case "found":
      return found({ ...state, stray_ms: state.stray_ms + event.stray_ms }, event.id, now);
    case "prepared":
      return state.phase === "preparing" && state.stop === null
        ? {
            ...recovered(state, "sandbox"),
            phase: "running",
            started_at: now,
            trouble: null,
            unmade: null,
          }
        : recovered(state, "sandbox");
    case "code_ended":
      return state.phase === "running"
        ? { ...recovered(state, "link"), phase: "collecting" }
        : recovered(state, "link");
    case "code_stopped":
      return state.phase === "running"
        ? { ...recovered(state, "sandbox"), phase: "collecting", is_code_dead: true }
        : recovered(state, "sandbox");
    case "settled":
      return settled(state, event.is_unmade === true);
    case "unusable":
      if (!isMaking(state)) return retryLater(state, "sandbox", now);
      return {
        ...recovered(unmade(state, event.why, now), "sandbox"),
        create: state.create === "asked" ? "idle" : state.create,
        phase: "ending",
        verdict: "unavailable",
      };
    case "spent_told":
      return { ...recovered(state, "owner"), is_spent_told: true };
    case "sandbox_there":
      return probed(probed(state, "sandbox"), "link");
    case "sandbox_gone":
      return withoutSandbox(state, Math.min(now, state.ttl_until));
    case "switched_off":
      return switchedOff(state);
    case "extended":
      return { ...recovered(state, "sandbox"), ttl_until: now + ttlOf(state, now) };
    case "killed": {
      const stray_ms = state.stray_ms + event.stray_ms;
      return withoutSandbox({ ...recovered(state, "sandbox"), stray_ms }, now);
    }
    case "reported":
      return {
        ...recovered(state, "owner"),
        is_start_reported: state.is_start_reported || event.started,
        is_end_reported: state.is_end_reported || event.ended,
        is_spent_told: state.is_spent_told || event.ended,
      };
    case "failed": {
      const counted = event.lane === "sandbox" ? unmade(state, event.why, now) : state;
      const from = event.progressed === true ? 0 : undefined;
      return { ...retryLater(counted, event.lane, now, from), trouble: event.why };
    }
  }
}

/** Its place in a shared sandbox is where its part of the cost is known, until that is told. */
function isBilled(state: AttemptState): boolean {
  const { is_shared, is_end_reported, verdict } = state;
  return !is_shared || is_end_reported || (verdict === "silence" && !owesSpent(state));
}

function nextForSlot(state: AttemptState, now: number): Command | null {
  const isOver = state.phase === "ending" || (state.phase === "queued" && state.stop !== null);
  if (isOver) {
    // What an E2B out of reach may yet have made must not keep others from finding that out.
    const isUnmade = state.unmade !== null && state.sandbox_id === null;
    if ((isUnmade || isSandboxDone(state)) && isBilled(state)) {
      const isKept = state.slot === "held" || state.slot_position !== null;
      return isKept ? { lane: "slot", do: "release_slot" } : null;
    }
    // Others may not have the slot before its sandbox is gone.
    const isDue = state.slot === "held" && now >= state.renew_at;
    return isDue ? { lane: "slot", do: "take_slot" } : null;
  }
  if (state.slot === "none" || now >= state.renew_at) return { lane: "slot", do: "take_slot" };
  const mayCreate = state.phase === "queued" && now >= state.lanes.sandbox.retry_at;
  return mayCreate ? { lane: "slot", do: "take_token" } : null;
}

/** Whether no sandbox of the attempt is left, nor can be on its way. */
function isSandboxDone(state: AttemptState): boolean {
  return (
    state.is_killed ||
    state.is_out_of_reach ||
    (state.sandbox_id === null && state.create === "idle" && !state.has_strays)
  );
}

function nextForSandbox(state: AttemptState, now: number): Command | null {
  const command = (what: Extract<Command, { lane: "sandbox" }>["do"]) =>
    ({ lane: "sandbox", do: what }) as const;
  if (state.is_out_of_reach || isGivenUp(state)) return null;
  if (state.create === "unclear") return command("find");
  if (state.create === "asked") return command("create");
  if (state.phase === "ending") return isSandboxDone(state) ? null : command("kill");
  if (state.phase === "queued") return null;
  if (state.stop !== null && state.phase === "running") {
    return now >= state.stop.at + STOP_LIMIT_MS ? command("kill") : command("stop_code");
  }
  if (state.phase === "collecting" && (state.stop !== null || state.is_killed)) {
    return command("collect");
  }
  const { sandbox, link } = state.lanes;
  if (isDoubtful(sandbox.failures) || isDoubtful(link.failures)) return command("probe");
  if (state.phase === "preparing") return command("prepare");
  if (state.phase === "collecting") return command("collect");
  if (state.phase !== "running") return null;
  const isLong = deadlineOf(state) + TTL_MARGIN_MS / 2 > state.ttl_until;
  return isLong && now >= state.ttl_until - EXTEND_BEFORE_MS ? command("extend") : null;
}

/** Stopped before its code could start: that is all there is to tell, whatever a create still brings. */
function isGivenUp(state: AttemptState): boolean {
  return state.stop !== null && state.phase !== "ending" && !mayRun(state);
}

function nextForLink(state: AttemptState): Command | null {
  if (isGivenUp(state)) return { lane: "link", do: "give_up" };
  const isFollowed = state.phase === "running" && !state.is_killed;
  return isFollowed ? { lane: "link", do: "follow" } : null;
}

/** Whether the owner is still to hear what the sandbox cost of a dispatch that it wants no more. */
function owesSpent(state: AttemptState): boolean {
  const isLate = state.verdict === "silence" && !state.is_spent_told;
  return isLate && mayRun(state) && state.sandbox_id !== null;
}

function nextForOwner(state: AttemptState, facts: Facts): Command | null {
  if (owesSpent(state)) return isSandboxDone(state) ? { lane: "owner", do: "tell_spent" } : null;
  if (state.verdict === "silence" || state.is_end_reported) return null;
  const report = { lane: "owner", do: "report" } as const;
  if (facts.hasUnreported || facts.isAsked) return report;
  if (state.started_at !== null && !state.is_start_reported) return report;
  return isEndDue(state) ? report : null;
}

/** Whether the end may be told: after a stop only once the sandbox is dead, unless no code ran. */
export function isEndDue(state: AttemptState): boolean {
  if (state.phase !== "ending" || state.verdict === "silence") return false;
  return state.stop === null || !mayRun(state) || state.is_killed || state.is_out_of_reach;
}

/** What is to be done now, at most one thing a lane. */
export function plan(state: AttemptState, facts: Facts, now: number): Command[] {
  return [
    nextForSlot(state, now),
    nextForSandbox(state, now),
    nextForLink(state),
    nextForOwner(state, facts),
  ]
    .filter((command) => command !== null)
    .filter((command) => now >= state.lanes[command.lane].retry_at);
}

/** Nothing is left to do, and nothing has to be remembered. */
export function isOver(state: AttemptState): boolean {
  return (
    state.phase === "ending" &&
    isSandboxDone(state) &&
    state.slot === "none" &&
    state.slot_position === null &&
    (state.verdict === "silence" ? !owesSpent(state) : state.is_end_reported)
  );
}

/** The next moment at which the plan may change by itself. */
export function wakeAt(state: AttemptState, now: number): number {
  const times = LANES.map((name) => state.lanes[name].retry_at);
  times.push(state.renew_at, state.ttl_until - EXTEND_BEFORE_MS);
  if (state.phase === "running") times.push(deadlineOf(state));
  if (state.stop !== null) times.push(state.stop.at + STOP_LIMIT_MS);
  if (isMaking(state)) times.push(patienceEndsAt(state));
  return Math.min(...times.filter((time) => time > now));
}
