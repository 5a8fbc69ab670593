/** Test support: what a simulated model, its tools and its user do, from one source of chance. */
import type { CallSpec } from "./call-types.ts";
import type { Effect } from "./effects.ts";
import type { Report } from "./events.ts";
import type { StepUsage } from "./types.ts";

export type Chance = () => number;

/** More steps than this the simulated model does not take. */
const MAX_STEPS = 5;

const RECOVERIES = ["rerun", "report", "report", "ask", "attach"] as const;
const POLICIES = ["allow", "allow", "allow", "allow", "ask", "ask", "deny", "invalid"] as const;
const FINISHES = ["stop", "stop", "length", "refusal", "content_filter", "other"] as const;

export class World {
  readonly #chance: Chance;
  /** What each step may use, and whether it is bounded. */
  readonly #quotes = new Map<number, StepUsage>();

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  quote(
    { epoch, kind, may_compact }: Extract<Effect, { type: "quote_step" }>,
    is_pool_exhausted: boolean,
  ): Report {
    const isBounded = this.#chance() < 0.9;
    const quote = {
      usd_nanos: isBounded ? this.#upTo(400) : null,
      tokens: isBounded ? this.#upTo(400) : null,
    };
    this.#quotes.set(epoch, quote);
    const compacts = may_compact && this.#chance() < 0.15;
    return {
      type: "step_quoted",
      epoch,
      kind: compacts ? "compaction" : kind,
      quote,
      is_pool_exhausted,
    };
  }

  /** Never more than was quoted; what nobody bounded is not known at times. */
  usage(epoch: number): StepUsage {
    const of = (bound: number | null | undefined) =>
      this.#chance() < 0.1 ? null : this.#upTo(bound ?? 500);
    const quote = this.#quotes.get(epoch);
    return { usd_nanos: of(quote?.usd_nanos), tokens: of(quote?.tokens) };
  }

  finished({ epoch, step, kind }: Extract<Effect, { type: "run_step" }>): Report {
    const isLast = step >= MAX_STEPS || this.#chance() < 0.3;
    const calls =
      kind === "compaction" || isLast
        ? []
        : Array.from({ length: 1 + this.#upTo(3) }, (_, index) => this.#call(index));
    const finish_reason = calls.length > 0 ? "tool_calls" : this.#one(FINISHES);
    return { type: "step_finished", epoch, finish_reason, calls, usage: this.usage(epoch) };
  }

  failed(epoch: number): Report {
    return {
      type: "step_failed",
      epoch,
      error: { code: "model_overloaded", message: "The model is overloaded; try it again." },
      is_retryable: this.#chance() < 0.8,
      retry_after_ms: this.#chance() < 0.3 ? this.#upTo(5_000) : null,
      usage: this.usage(epoch),
    };
  }

  /** The ids of one step's calls come again in other steps. */
  #call(index: number): CallSpec {
    return {
      id: `c${index}`,
      name: "tool",
      policy: this.#one(POLICIES),
      kind: this.#chance() < 0.12 ? "input" : "tool",
      recovery: this.#one(RECOVERIES),
      is_parallel: this.#chance() < 0.6,
      digest: "seen",
    };
  }

  #upTo(most: number): number {
    return Math.floor(this.#chance() * (most + 1));
  }

  #one<T>(of: readonly T[]): T {
    const chosen = of[Math.floor(this.#chance() * of.length)];
    if (chosen === undefined) throw new Error("nothing to choose from");
    return chosen;
  }
}
