/** A session has a slot, and its time counts, while it works, and not while it waits. */
import type { Change } from "./change.ts";
import { activeMs, hasSlot, isAtWork, isTurnInFlight } from "./state.ts";

/** Asks for a slot, or gives it back. */
export function settleSlot(change: Change): void {
  const { state } = change;
  const isWanted = state.settings.is_slotted && isAtWork(state);
  if (isWanted && state.slot === "none") askForSlot(change);
  else if (!isWanted && state.slot !== "none") {
    state.slot = "none";
    change.effects.push({ type: "release_slot" });
  }
}

export function askForSlot(change: Change): void {
  change.state.slot = "asked";
  change.effects.push({ type: "acquire_slot" });
}

/** One that nobody waits for any more goes back. */
export function slotGranted(change: Change): void {
  const { state } = change;
  if (state.slot === "asked") state.slot = "held";
  else if (state.slot === "none") change.effects.push({ type: "release_slot" });
}

/** What is in flight goes on; nothing more begins until there is a slot again. */
export function slotLost(change: Change): void {
  if (change.state.slot === "held") askForSlot(change);
}

export function settleClock({ state, now }: Change): void {
  const isCounting =
    state.phase === "ready" && (isTurnInFlight(state) || (isAtWork(state) && hasSlot(state)));
  if (isCounting === (state.clock.since !== null)) return;
  state.clock = { active_ms: activeMs(state, now), since: isCounting ? now : null };
}

/** Nobody can say until when the process lived: what has passed does not count. */
export function restartClock({ state, now }: Change): void {
  if (state.clock.since !== null) state.clock.since = now;
}
