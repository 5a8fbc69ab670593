/**
 * Test support: models, tools, slots and all else that a session's effects reach. Reports come twice,
 * late, from processes that are gone, and of what was stopped.
 */
import type { Effect } from "./effects.ts";
import type { Report, SessionEvent } from "./events.ts";
import type { Dice, Timeline } from "./machine-simulator-scenario.ts";
import type { Script } from "./machine-simulator-script.ts";
import type { Shell } from "./machine-simulator-shell.ts";
import type { Witness } from "./machine-witness.ts";
import type { StepUsage } from "./types.ts";

/** Work that an epoch names; `life` is the process that it dies with, null for work elsewhere. */
interface Job {
  readonly life: number | null;
  readonly isStep: boolean;
  isOver: boolean;
}

interface How {
  readonly isElsewhere?: boolean;
  readonly isStep?: boolean;
  readonly most?: number;
}

type Of<T extends Effect["type"]> = Extract<Effect, { type: T }>;

export class Backends {
  readonly #time: Timeline;
  readonly #dice: Dice;
  readonly #script: Script;
  readonly #witness: Witness;
  readonly #jobs = new Map<number, Job>();
  /** What each step may use, and whether it is bounded. */
  readonly #quotes = new Map<number, StepUsage>();

  constructor(on: { time: Timeline; dice: Dice; script: Script; witness: Witness }) {
    this.#time = on.time;
    this.#dice = on.dice;
    this.#script = on.script;
    this.#witness = on.witness;
  }

  atOnce(effect: Effect): SessionEvent | null {
    if (this.#dice.chance(0.4)) return null;
    if (effect.type === "quote_step") return this.#quote(effect);
    return effect.type === "acquire_slot" ? { type: "slot_granted" } : null;
  }

  perform(shell: Shell, effect: Effect): void {
    switch (effect.type) {
      case "prepare":
        this.#work(shell, effect.epoch, () => this.#prepared(effect.epoch));
        break;
      case "quote_step":
        this.#work(shell, effect.epoch, () => this.#quote(effect), { most: 1_000 });
        break;
      case "run_step":
        this.#witness.performs(effect);
        this.#work(shell, effect.epoch, () => this.#stepped(effect), { isStep: true });
        break;
      case "run_call":
        this.#call(shell, effect);
        break;
      case "abort":
        this.#abort(shell, effect.epoch);
        break;
      case "stop_call":
        this.#stop(shell, effect.epoch);
        break;
      case "acquire_slot":
        this.#slot(shell);
        break;
      case "dispose":
        this.#time.later(this.#dice.between(0, 2_000), shell.inLife({ type: "disposed" }));
        break;
      default:
    }
  }

  #slot(shell: Shell): void {
    this.#time.later(this.#dice.between(0, 4_000), shell.inLife({ type: "slot_granted" }));
    if (!this.#dice.fault("slot")) return;
    this.#time.later(this.#dice.between(0, 9_000), shell.inLife({ type: "slot_lost" }));
  }

  #prepared(epoch: number): Report {
    const error = { code: "codebase_gone", message: "There is no such codebase; mount another." };
    return this.#dice.fault("failure")
      ? { type: "prepare_failed", epoch, error }
      : { type: "prepared", epoch };
  }

  #quote({ epoch, kind, may_compact }: Of<"quote_step">): Report {
    const isBounded = this.#dice.chance(0.9);
    const quote = {
      usd_nanos: isBounded ? this.#dice.between(0, 400) : null,
      tokens: isBounded ? this.#dice.between(0, 400) : null,
    };
    this.#quotes.set(epoch, quote);
    const compacts = may_compact && this.#dice.chance(0.1);
    return {
      type: "step_quoted",
      epoch,
      kind: compacts ? "compaction" : kind,
      quote,
      is_pool_exhausted: this.#dice.fault("pool"),
    };
  }

  /** Never more than was quoted, and not known at times. */
  #usage(epoch: number): StepUsage {
    const of = (bound: number | null | undefined) =>
      this.#dice.chance(0.1) ? null : this.#dice.between(0, bound ?? 500);
    const quote = this.#quotes.get(epoch);
    return { usd_nanos: of(quote?.usd_nanos), tokens: of(quote?.tokens) };
  }

  #stepped({ epoch, turn, step, kind }: Of<"run_step">): Report {
    const usage = this.#usage(epoch);
    if (this.#dice.fault("failure")) {
      return {
        type: "step_failed",
        epoch,
        error: { code: "model_overloaded", message: "The model is overloaded; try it again." },
        is_retryable: this.#dice.chance(0.9),
        retry_after_ms: this.#dice.chance(0.3) ? this.#dice.between(0, 5_000) : null,
        usage,
      };
    }
    const { finish_reason, calls } = this.#script.step(turn, step);
    if (kind === "reply") return { type: "step_finished", epoch, finish_reason, calls, usage };
    return { type: "step_finished", epoch, finish_reason: "stop", calls: [], usage };
  }

  /** An `attach` call is run once, however often it is asked for, and reports until it is heard. */
  #call(shell: Shell, effect: Of<"run_call">): void {
    const { epoch } = effect;
    this.#witness.performs(effect);
    if (this.#jobs.has(epoch)) return;
    const { recovery, is_error } = this.#script.call(effect);
    const isElsewhere = recovery === "attach";
    const report = { type: "call_finished", epoch, is_error } as const;
    this.#work(shell, epoch, () => report, { isElsewhere, most: 9_000 });
    for (const is_resting of [true, false, true]) {
      if (!isElsewhere || !this.#dice.fault("rest")) continue;
      const told = { type: "call_rested", epoch, is_resting } as const;
      this.#time.later(this.#dice.between(0, 12_000), () => void shell.handle(told));
    }
  }

  /** Work that reports once it is done, unless it is stopped, or its process died before. */
  #work(shell: Shell, epoch: number, report: () => SessionEvent, how: How = {}): void {
    const { isElsewhere = false, isStep = false, most = 5_000 } = how;
    const job: Job = { life: isElsewhere ? null : shell.life, isStep, isOver: false };
    this.#jobs.set(epoch, job);
    this.#time.later(this.#dice.between(0, most), () => {
      const isGone = !isElsewhere && job.life !== shell.life;
      // A report may come after all: from a process that is gone, or of what was being stopped.
      if ((isGone || job.isOver) && !this.#dice.fault("late")) return;
      job.isOver = true;
      const event = report();
      const send = () => void (isElsewhere ? shell.deliver(event) : shell.handle(event));
      if (this.#dice.copies() === 2) this.#time.later(this.#dice.between(0, 6_000), send);
      send();
    });
  }

  #abort(shell: Shell, epoch: number): void {
    const job = this.#jobs.get(epoch);
    if (job === undefined || job.isOver) return;
    job.isOver = true;
    if (!job.isStep) return;
    const told = shell.inLife({ type: "step_aborted", epoch, usage: this.#usage(epoch) });
    for (let copies = this.#dice.copies(); copies > 0; copies -= 1) {
      this.#time.later(this.#dice.between(0, 1_000), told);
    }
  }

  /** A stop may get lost; what has not begun never does after it. */
  #stop(shell: Shell, epoch: number): void {
    this.#time.later(this.#dice.between(0, 2_000), () => {
      if (this.#dice.fault("late")) return;
      const job = this.#jobs.get(epoch) ?? { life: null, isStep: false, isOver: true };
      job.isOver = true;
      this.#jobs.set(epoch, job);
      shell.handle({ type: "call_aborted", epoch });
    });
  }
}
