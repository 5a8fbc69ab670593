/** Answers what the machine asks about a run: whether a step runs, and what the run comes to. */
import { logWarning } from "../http/log.ts";
import type { Conclusion, Decision } from "./ports.ts";
import { ask } from "./questions.ts";
import { fitsInline, inlineResult, type Results } from "./results.ts";
import type { RunHost } from "./run-host.ts";
import type { LiveRun } from "./store-types.ts";
import type { RunEvent, StepError, StoredResult } from "./types.ts";

/** Tries to put an answer into the blob store, and the delay after the first, which doubles. */
const MAX_TRIES = 8;
const FIRST_DELAY_MS = 100;

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
    const answer = attempt(
      () => ask(this.#results, live, (view) => kind.decide(view, step)),
      toFailedDecision,
    );
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
    const answer = attempt(
      () => ask(this.#results, live, (view) => kind.conclude(view)),
      toFailedConclusion,
    );
    const json = answer instanceof Promise ? null : JSON.stringify(answer.result);
    if (answer instanceof Promise || (json !== null && !fitsInline(json))) {
      this.#host.afterCommit(() => void this.#concludeLater(live, Promise.resolve(answer)));
      return null;
    }
    return this.#concluded(live, answer, json === null ? null : inlineResult(json));
  }

  async #decideLater(live: LiveRun, step: number, answer: Promise<Decision>): Promise<void> {
    const isWanted = () => live.state.steps[step]?.deciding === true;
    const first = await answer.catch(toFailedDecision);
    const { decision, stored } = await insist(
      isWanted,
      async () => {
        const isExpanded = first.verdict.do === "expand";
        const items = isExpanded ? [...first.items] : null;
        return { decision: first, stored: await this.#results.keep(live, `${step}.items`, items) };
      },
      (error) => ({ decision: toFailedDecision(error), stored: null }),
    );
    if (!isWanted()) return;
    this.#host.commit((now) =>
      this.#host.drive(live, this.#decided(live, step, decision, stored), now),
    );
  }

  async #concludeLater(live: LiveRun, answer: Promise<Conclusion>): Promise<void> {
    const isWanted = () => live.state.concluding;
    const first = await answer.catch(toFailedConclusion);
    const { conclusion, stored } = await insist(
      isWanted,
      async () => ({
        conclusion: first,
        stored: await this.#results.keep(live, "outputs", first.result),
      }),
      (error) => ({ conclusion: toFailedConclusion(error), stored: null }),
    );
    if (!isWanted()) return;
    this.#host.commit((now) =>
      this.#host.drive(live, this.#concluded(live, conclusion, stored), now),
    );
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

function attempt<T>(answer: () => T | Promise<T>, otherwise: (error: unknown) => T) {
  try {
    return answer();
  } catch (error) {
    return otherwise(error);
  }
}

/** Does what the blob store may refuse for a while; `otherwise` says what comes of it in the end. */
async function insist<T>(
  isWanted: () => boolean,
  act: () => Promise<T>,
  otherwise: (error: unknown) => T,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      if (tries === MAX_TRIES || !isWanted()) return otherwise(error);
      logWarning("answer_not_stored", error);
      await scheduler.wait(FIRST_DELAY_MS * 2 ** (tries - 1));
    }
  }
}

/** What cannot be decided fails the step, and says why. */
function toFailedDecision(error: unknown): Decision {
  return { verdict: { do: "fail", error: failure("decision_failed", error) }, items: [] };
}

/** What cannot be concluded fails the run, and says why. */
function toFailedConclusion(error: unknown): Conclusion {
  return { result: null, error: failure("outputs_failed", error) };
}

function failure(code: string, error: unknown): StepError {
  return { code, message: error instanceof Error ? error.message : String(error) };
}
