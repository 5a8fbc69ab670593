import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dispatch } from "../detached.ts";
import {
  type Command,
  CREATE_SETTLES_MS,
  type Event,
  isEndDue,
  isOver,
  MAX_TTL_MS,
  observe,
  plan,
  STOP_LIMIT_MS,
  TTL_MARGIN_MS,
  ttlOf,
  wakeAt,
} from "./drive.ts";
import { IMPATIENT_MS, PATIENT_MS, patienceEndsAt } from "./reach.ts";
import { CREATE_LIMIT_MS } from "./sandbox.ts";
import { type AttemptState, initialState, stateSchema } from "./state.ts";
import { endedSandboxMs, sandboxMs } from "./usage.ts";

const DISPATCH: Dispatch = {
  version: 1,
  resource_id: "r",
  run: 1,
  step: 0,
  epoch: 1,
  project_id: "p",
  placement: "own",
  patient: true,
  claimed_by: null,
  expires_at: 1_000_000,
  task_type: "e2b",
};
const QUIET = { hasUnreported: false, isAsked: false };
const TIMEOUT_MS = 60_000;
const START = 1_000_000;

const begin = () =>
  initialState(DISPATCH, { timeout_ms: TIMEOUT_MS, priority: 0, is_shared: false });
const following = (state: AttemptState, ...events: Event[]) =>
  events.reduce((current, event) => observe(current, event, START), state);
const commands = (state: AttemptState, now = START, facts = QUIET) =>
  plan(state, facts, now).map((command) => command.do);

const HELD: Event = { type: "slot", position: 0, spread: 0 };
const KILLED: Event = { type: "killed", stray_ms: 0 };
const TOKEN: Event = { type: "token_taken" };
const CREATED: Event = { type: "created", id: "s1" };
const PREPARED: Event = { type: "prepared" };
const ENDED: Event = { type: "code_ended" };
const SETTLED: Event = { type: "settled" };
const STOP: Event = { type: "stop_asked", reason: "cancel" };
const running = () => following(begin(), HELD, TOKEN, CREATED, PREPARED);

describe("an attempt without faults", () => {
  it("takes a slot, a token, a sandbox, and reports before it forgets", () => {
    expect(commands(begin())).toEqual(["take_slot"]);
    expect(commands(following(begin(), HELD))).toEqual(["take_token"]);
    expect(commands(following(begin(), HELD, TOKEN))).toEqual(["create"]);
    expect(commands(following(begin(), HELD, TOKEN, CREATED))).toEqual(["prepare"]);
    expect(commands(running())).toEqual(["follow", "report"]);
    const collecting = following(
      running(),
      { type: "reported", started: true, ended: false },
      ENDED,
    );
    expect(commands(collecting)).toEqual(["collect"]);
    const ending = following(collecting, SETTLED);
    expect(commands(ending)).toEqual(["kill", "report"]);
    const killed = following(ending, KILLED);
    expect(commands(killed)).toEqual(["release_slot", "report"]);
    const told = following(killed, { type: "reported", started: false, ended: true });
    expect(isOver(told)).toBe(false);
    expect(isOver(following(told, { type: "slot_released" }))).toBe(true);
  });

  it("can be stored at any time", () => {
    for (const state of [begin(), running(), following(running(), STOP, ENDED, SETTLED)]) {
      expect(stateSchema.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
    }
  });
});

describe("a stop", () => {
  it("ends what was not started without a sandbox of its own", () => {
    const queued = following(begin(), { type: "slot", position: 3, spread: 0 }, STOP);
    expect(commands(queued)).toContain("give_up");
    const ended = following(queued, SETTLED);
    expect(isEndDue(ended)).toBe(true);
    expect(commands(ended, START + 1_000)).toContain("release_slot");
  });

  it("never starts code afterwards", () => {
    const state = following(begin(), HELD, TOKEN, CREATED, STOP, PREPARED);
    expect(state.started_at).toBeNull();
    expect(commands(state)).toEqual(["give_up"]);
  });

  it("is told while a create is still under way, whose sandbox is killed when it comes", () => {
    const state = following(begin(), HELD, TOKEN, STOP);
    expect(commands(state)).toContain("give_up");
    const ended = following(state, SETTLED);
    expect(ended.create).toBe("asked");
    expect(isEndDue(ended)).toBe(true);
    const told = following(ended, { type: "reported", started: false, ended: true });
    expect(isOver(told)).toBe(false);
    const late = following(told, CREATED);
    expect(commands(late)).toEqual(["kill"]);
    expect(commands(following(late, KILLED))).toEqual(["release_slot"]);
  });

  it("waits for as long as a create may take before it believes that nothing was made", () => {
    const state = following(begin(), HELD, TOKEN, STOP, SETTLED, { type: "restarted" });
    const none: Event = { type: "found", id: null, stray_ms: 0 };
    expect(observe(state, none, START + CREATE_SETTLES_MS).create).toBe("unclear");
    expect(observe(state, none, START + CREATE_LIMIT_MS).create).toBe("idle");
  });

  it("is told only once the sandbox is dead", () => {
    const state = following(running(), STOP, { type: "code_stopped" }, SETTLED);
    expect(isEndDue(state)).toBe(false);
    expect(isEndDue(following(state, KILLED))).toBe(true);
  });

  it("kills the sandbox when the code cannot be reached", () => {
    const state = following(running(), STOP, { type: "failed", lane: "sandbox", why: "no answer" });
    expect(commands(state, START + STOP_LIMIT_MS)).toContain("kill");
    expect(following(state, KILLED).phase).toBe("collecting");
  });

  it("comes by itself at the deadline", () => {
    const state = observe(running(), { type: "woke" }, START + TIMEOUT_MS);
    expect(state.stop).toEqual({ reason: "timeout", at: START + TIMEOUT_MS });
    expect(wakeAt(running(), START + 1)).toBeLessThanOrEqual(START + TIMEOUT_MS);
  });
});

describe("a create", () => {
  const creating = () => following(begin(), HELD, TOKEN);

  it("that was refused is asked for again with another token, later", () => {
    const state = following(creating(), { type: "create_refused", why: "429" });
    expect(commands(state)).toEqual([]);
    expect(commands(state, state.lanes.sandbox.retry_at)).toEqual(["take_token"]);
  });

  it.each<Event>([{ type: "create_unclear", why: "cut off" }, { type: "restarted" }])(
    "that is unclear by %o is looked for, and adopted",
    (event) => {
      const state = following(creating(), event);
      expect(commands(state, START + 1_000)).toContain("find");
      const adopted = observe(state, { type: "found", id: "s9", stray_ms: 0 }, START + 1_000);
      expect(adopted).toMatchObject({ phase: "preparing", sandbox_id: "s9", create: "idle" });
    },
  );

  it("that never shows is asked for again, and what shows too late is killed in the end", () => {
    const state = following(creating(), { type: "create_unclear", why: "cut off" });
    const none: Event = { type: "found", id: null, stray_ms: 0 };
    expect(observe(state, none, START + 1).create).toBe("unclear");
    const again = observe(state, none, START + CREATE_SETTLES_MS);
    expect(again).toMatchObject({ phase: "queued", create: "idle", has_strays: true });
    const cancelled = following(again, STOP, SETTLED);
    expect(commands(cancelled)).toContain("kill");
  });
});

describe("the queue for a slot", () => {
  const wait = (position: number, spread = 0) =>
    following(begin(), { type: "slot", position, spread }).lanes.slot.retry_at - START;

  it("is asked again at once by the first, and the more seldom the more are before", () => {
    expect(wait(1)).toBeLessThanOrEqual(250);
    expect(wait(4)).toBe(4 * wait(1));
    expect(wait(10_000)).toBe(5_000);
    expect(wait(10_000, 1)).toBeLessThan(5_000);
    expect(wait(1, 1)).toBeGreaterThan(0);
    expect(Number.isInteger(wait(3, 1 / 3))).toBe(true);
  });
});

describe("sandboxes that are switched off", () => {
  const OFF: Event = { type: "switched_off" };

  it.each<[string, AttemptState]>([
    ["queued", following(begin(), HELD)],
    ["creating", following(begin(), HELD, TOKEN)],
    ["running", running()],
    ["stopping", following(running(), STOP)],
    ["stopped and not killed", following(running(), STOP, { type: "code_stopped" }, SETTLED)],
  ])("lose what is %s", (_, before) => {
    const state = following(before, OFF);
    expect(state.verdict).toBe("lost");
    expect(commands(state)).toEqual(["release_slot", "report"]);
    const told = following(state, { type: "reported", started: true, ended: true });
    expect(isOver(following(told, { type: "slot_released" }))).toBe(true);
  });

  it("take nothing back of what has ended", () => {
    const state = following(running(), ENDED, SETTLED, OFF);
    expect(state.verdict).toBe("outcome");
    expect(commands(state)).toEqual(["release_slot", "report"]);
  });
});

describe("what sandboxes cost", () => {
  const LIVED_MS = 5_000;
  const later = (state: AttemptState, event: Event, ms = LIVED_MS) =>
    observe(state, event, START + ms);

  it.each<Event>([{ type: "sandbox_gone" }, KILLED])("ends with %o", (event) => {
    const state = later(running(), event);
    expect(endedSandboxMs(running())).toBe(0);
    expect(endedSandboxMs(state)).toBe(LIVED_MS);
    expect(sandboxMs(state, START + 2 * LIVED_MS)).toBe(LIVED_MS);
    expect(endedSandboxMs(observe(state, KILLED, START + 2 * LIVED_MS))).toBe(LIVED_MS);
  });

  it("goes on while they live, and to the end of their time when nobody can reach them", () => {
    expect(sandboxMs(running(), START + LIVED_MS)).toBe(LIVED_MS);
    const off = later(running(), { type: "switched_off" });
    expect(endedSandboxMs(off)).toBe(off.ttl_until - START);
    expect(endedSandboxMs(later(running(), { type: "sandbox_gone" }, MAX_TTL_MS))).toBe(
      running().ttl_until - START,
    );
  });

  it("counts those that an unclear create made beside", () => {
    const unclear = following(begin(), HELD, TOKEN, { type: "create_unclear", why: "cut off" });
    const state = following(unclear, { type: "found", id: "s1", stray_ms: 700 });
    expect(endedSandboxMs(state)).toBe(700);
    expect(endedSandboxMs(later(state, { type: "killed", stray_ms: 40 }))).toBe(LIVED_MS + 740);
  });
});

describe("a sandbox's time", () => {
  it("is the code's and a margin, within what every plan allows", () => {
    expect(ttlOf(begin(), START)).toBe(TIMEOUT_MS + TTL_MARGIN_MS);
    expect(ttlOf({ ...begin(), timeout_ms: 10 * MAX_TTL_MS }, START)).toBe(MAX_TTL_MS);
  });

  it("is extended for what takes longer", () => {
    const state = { ...running(), timeout_ms: 10 * MAX_TTL_MS, ttl_until: START + 100_000 };
    expect(commands(state)).toContain("extend");
    expect(commands(following(state, { type: "extended" }))).not.toContain("extend");
  });
});

/** A world that does what the commands say, and fails as often as it is told. */
class World {
  state = begin();
  now = START;
  sandboxes = new Set<string>();
  /** Starts of the code by sandbox; the claim lets the first through alone. */
  readonly starts = new Map<string, number>();
  readonly endsAt = new Map<string, number>();
  runs = 0;
  ends: string[] = [];
  slots = 0;
  token = 0;

  readonly fails: () => boolean;

  constructor(fails: () => boolean) {
    this.fails = fails;
  }

  apply(event: Event): void {
    for (const id of this.sandboxes) {
      if (this.now >= (this.endsAt.get(id) ?? 0)) this.sandboxes.delete(id);
    }
    this.state = observe(this.state, event, this.now);
  }

  perform(command: Command): Event {
    const failed: Event = { type: "failed", lane: command.lane, why: "fault" };
    const id = this.state.sandbox_id ?? "";
    const isThere = this.sandboxes.has(id);
    if (command.do !== "create" && this.fails()) return failed;
    switch (command.do) {
      case "take_slot":
        this.slots = 1;
        return HELD;
      case "take_token":
        return TOKEN;
      case "release_slot":
        this.slots = 0;
        return { type: "slot_released" };
      case "create": {
        if (this.fails()) return { type: "create_refused", why: "429", isDown: this.fails() };
        if (this.state.phase === "ending") return { type: "create_refused", why: "late" };
        if (this.fails() && this.fails()) return { type: "settled", is_unmade: true };
        this.token += 1;
        this.sandboxes.add(`s${this.token}`);
        this.endsAt.set(`s${this.token}`, this.now + ttlOf(this.state, this.now));
        if (this.fails()) return { type: "create_unclear", why: "cut off" };
        return { type: "created", id: `s${this.token}` };
      }
      case "find":
        return { type: "found", id: [...this.sandboxes][0] ?? null, stray_ms: 0 };
      case "prepare":
        return isThere ? PREPARED : { type: "sandbox_gone" };
      case "follow":
        if (!isThere) return failed;
        // It starts the code unless there was a stop; what was claimed is not started again.
        if (!this.starts.has(id) && this.state.stop === null) {
          this.runs += 1;
          this.starts.set(id, 1);
        }
        return this.fails() ? failed : ENDED;
      case "stop_code":
        return isThere ? { type: "code_stopped" } : failed;
      case "probe":
        return { type: isThere ? "sandbox_there" : "sandbox_gone" };
      case "extend":
        this.endsAt.set(id, this.now + ttlOf(this.state, this.now));
        return { type: "extended" };
      case "give_up":
        return SETTLED;
      case "collect":
        return isThere || this.state.stop !== null ? SETTLED : { type: "sandbox_gone" };
      case "kill":
        this.sandboxes.delete(id);
        if (this.state.has_strays) this.sandboxes.clear();
        return KILLED;
      case "tell_spent":
        return { type: "spent_told" };
      case "report": {
        const ended = isEndDue(this.state);
        if (ended) this.ends.push(this.state.verdict);
        if (this.fails()) return failed;
        return { type: "reported", started: this.state.started_at !== null, ended };
      }
    }
  }
}

describe("an attempt that gets no sandbox", () => {
  const UNCLEAR: Event = { type: "create_unclear", why: "no route to it" };
  const impatient = (): AttemptState => ({
    ...begin(),
    dispatch: { ...DISPATCH, patient: false },
  });
  const found = (id: string | null): Event => ({ type: "found", id, stray_ms: 0 });
  const refused = (isDown: boolean): Event => ({ type: "create_refused", why: "no", isDown });

  it.each([
    [begin(), PATIENT_MS, "undeliverable"],
    [impatient(), IMPATIENT_MS, "unavailable"],
  ] as const)("is given up after its time", (first, ms, verdict) => {
    const since = following(first, HELD, TOKEN, UNCLEAR);
    expect(wakeAt({ ...since, lanes: first.lanes, renew_at: 0 }, START)).toBe(START + ms);
    const late = observe(
      since,
      { type: "failed", lane: "sandbox", why: "still none" },
      START + ms - 1,
    );
    expect(late).toMatchObject({ phase: "creating", unmade: { tries: 2, why: "still none" } });
    const over = observe(late, { type: "woke" }, START + ms);
    expect(over).toMatchObject({ phase: "ending", verdict });
    expect(isEndDue(over)).toBe(true);
    expect(commands(over, START + 2 * ms)).toContain("report");
    // What the unclear create may have made is looked for all the same.
    expect(commands(over, START + 2 * ms)).toContain("find");
    expect(commands(over, START + 2 * ms)).toContain("release_slot");
    const freed = following(over, { type: "slot_released" });
    const turnedUp = following(freed, found("s1"));
    expect(commands(turnedUp, START + 2 * ms)).toEqual(["kill", "report"]);
  });

  it("has all of its time anew once there was one", () => {
    const once = following(begin(), HELD, TOKEN, UNCLEAR, found("s1"));
    expect(once.unmade).toBeNull();
    const none = following(begin(), HELD, TOKEN, UNCLEAR);
    const settled = observe(none, found(null), START + CREATE_SETTLES_MS);
    expect(settled).toMatchObject({ phase: "queued", unmade: { since: START } });
  });

  it("waits for room without end, and not for a service that is down", () => {
    const full = following(begin(), HELD, TOKEN, refused(false));
    expect(patienceEndsAt(full)).toBe(Number.POSITIVE_INFINITY);
    expect(patienceEndsAt(following(begin(), HELD, TOKEN, refused(true)))).toBe(START + PATIENT_MS);
  });

  it("counts what keeps its files out, and nothing after its code has begun", () => {
    const failed: Event = { type: "failed", lane: "sandbox", why: "no answer" };
    expect(following(begin(), HELD, TOKEN, CREATED, failed).unmade).toMatchObject({ tries: 1 });
    expect(following(running(), failed).unmade).toBeNull();
  });

  it("goes elsewhere at once when nobody is let in", () => {
    const state = following(impatient(), HELD, TOKEN, { type: "unusable", why: "no such key" });
    expect(state).toMatchObject({ phase: "ending", verdict: "unavailable", create: "idle" });
    expect(commands(state)).toEqual(["release_slot", "report"]);
    const killing = following(running(), SETTLED, { type: "unusable", why: "no such key" });
    expect(killing).toMatchObject({ verdict: "outcome" });
    expect(commands(killing)).not.toContain("kill");
  });

  it("is stopped like any other", () => {
    const stopped = following(begin(), HELD, TOKEN, UNCLEAR, STOP);
    expect(observe(stopped, { type: "woke" }, START + 2 * PATIENT_MS).verdict).toBe("none");
  });
});

describe("a dispatch that is not wanted any more", () => {
  it("has told what its sandbox cost before it is forgotten, if its code began", () => {
    const fenced = following(running(), { type: "fenced" });
    expect(commands(fenced)).toEqual(["kill"]);
    const killed = following(fenced, KILLED);
    expect(commands(killed)).toEqual(["release_slot", "tell_spent"]);
    const freed = following(killed, { type: "slot_released" });
    expect(isOver(freed)).toBe(false);
    expect(isOver(following(freed, { type: "spent_told" }))).toBe(true);
    const early = following(begin(), HELD, TOKEN, CREATED, { type: "fenced" }, KILLED);
    expect(commands(early)).toEqual(["release_slot"]);
  });
});

describe("a sandbox that cannot be killed", () => {
  it("is left to its time on the service's side", () => {
    const state = following(running(), SETTLED, {
      type: "failed",
      lane: "sandbox",
      why: "no answer",
    });
    expect(commands(state, state.ttl_until - 1)).toContain("kill");
    const left = observe(state, { type: "woke" }, state.ttl_until);
    expect(left.is_out_of_reach).toBe(true);
    expect(commands(left, state.ttl_until)).toContain("release_slot");
  });
});

describe("an attempt with faults", () => {
  it("runs its code at most once, ends once told, and leaves nothing", () => {
    const fault = fc.constantFrom("none", "restart", "stop", "lose", "fence", "late");
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.nat(99)),
        fc.array(fault, { maxLength: 12 }),
        fc.nat(45),
        (dice, faults, share) => {
          let steps = 0;
          const world = new World(() => steps < 200 && (dice.next().value ?? 99) < share);
          while (!isOver(world.state)) {
            steps += 1;
            expect(steps, JSON.stringify(world.state)).toBeLessThan(2_000);
            const happening = faults[Math.floor(steps / 3)];
            if (steps % 3 === 0 && happening !== undefined) {
              if (happening === "restart") world.apply({ type: "restarted" });
              if (happening === "stop") world.apply(STOP);
              if (happening === "fence") world.apply({ type: "fenced" });
              if (happening === "lose") world.sandboxes.clear();
              if (happening === "late") world.now += TIMEOUT_MS / 3;
            }
            const [command] = plan(world.state, QUIET, world.now);
            if (command) world.apply(world.perform(command));
            else world.now = Math.min(wakeAt(world.state, world.now), world.now + 2_000);
            world.apply({ type: "woke" });
          }
          expect(world.runs).toBeLessThanOrEqual(1);
          expect([...world.sandboxes]).toEqual([]);
          expect(world.slots).toBe(0);
          expect(new Set(world.ends).size).toBeLessThanOrEqual(1);
          if (world.state.verdict !== "silence") expect(world.ends.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
