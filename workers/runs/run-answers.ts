/** Answers what the machine asks about a run: whether a step runs, and what the run comes to. */
import { logWarning } from "../http/log.ts";
import type { Conclusion, Decision } from "./ports.ts";
import { ask } from "./questions.ts";
import { fitsInline, inlineResult, type Results } from "./results.ts";
import type { RunHost } from "./run-host.ts";
import type { LiveRun } from "./store-types.ts";
import type { RunEvent, StoredResult } from "./types.ts";

export class RunAnswers {
  readonly #host: RunHost;
  readonly #results: Results;

  constructor(host: RunHost, results: Results) {
    this.#host = host;
    this.#results = results;
  }

  /** The answer, inside the running commit; null when it comes later, in a commit of its own. */
  decide(live: LiveRun, step: number): RunEvent | null {
    const kind = this.#host.kind(live.resource);
    const answer = attempt(() => ask(this.#results, live, (view) => kind.decide(view, step)));
    const items = answer instanceof Promise ? null : JSON.stringify(answer.items);
    if (answer instanceof Promise || (items !== null && !fitsInline(items))) {
      this.#host.afterCommit(() => void this.#decideLater(live, step, Promise.resolve(answer)));
      return null;
    }
    return this.#decided(live, step, answer, items === null ? null : inlineResult(items));
  }

  /** As `decide`, for the run's outputs. */
  conclude(live: LiveRun): RunEvent | null {
    const kind = this.#host.kind(live.resource);
    const answer = ask(this.#results, live, (view) => kind.conclude(view));
    const json = answer instanceof Promise ? null : JSON.stringify(answer.result);
    if (answer instanceof Promise || (json !== null && !fitsInline(json))) {
      this.#host.afterCommit(() => void this.#concludeLater(live, Promise.resolve(answer)));
      return null;
    }
    return this.#concluded(live, answer, json === null ? null : inlineResult(json));
  }

  async #decideLater(live: LiveRun, step: number, answer: Promise<Decision>): Promise<void> {
    const decision = await answer.catch(toFailedDecision);
    try {
      const isExpanded = decision.verdict.do === "expand";
      const stored = isExpanded
        ? await this.#results.keep(live, `${step}.items`, [...decision.items])
        : null;
      this.#host.commit((now) => {
        if (!live.state.steps[step]?.deciding) return;
        this.#host.drive(live, this.#decided(live, step, decision, stored), now);
      });
    } catch (error) {
      logWarning("decision_failed", error, { resource_id: live.resource.id });
    }
  }

  async #concludeLater(live: LiveRun, answer: Promise<Conclusion>): Promise<void> {
    try {
      const conclusion = await answer;
      const stored = await this.#results.keep(live, "outputs", conclusion.result);
      this.#host.commit((now) => {
        if (!live.state.concluding) return;
        this.#host.drive(live, this.#concluded(live, conclusion, stored), now);
      });
    } catch (error) {
      logWarning("conclusion_failed", error, { resource_id: live.resource.id });
    }
  }

  #decided(
    live: LiveRun,
    step: number,
    { verdict }: Decision,
    items: StoredResult | null,
  ): RunEvent {
    if (verdict.do === "expand") live.results.set(step, items);
    return { type: "decided", step, verdict };
  }

  #concluded(live: LiveRun, { error }: Conclusion, stored: StoredResult | null): RunEvent {
    if (error === null) this.#host.conclude(live, stored);
    return { type: "concluded", error };
  }
}

function attempt(decide: () => Decision | Promise<Decision>): Decision | Promise<Decision> {
  try {
    return decide();
  } catch (error) {
    return toFailedDecision(error);
  }
}

/** What cannot be decided fails the step, and says why. */
function toFailedDecision(error: unknown): Decision {
  const message = error instanceof Error ? error.message : String(error);
  return { verdict: { do: "fail", error: { code: "decision_failed", message } }, items: [] };
}
