/** Asks a kind about a run, with whatever results it wants to look at. */
import { ResultNotLoaded, type RunView } from "./ports.ts";
import type { Results } from "./results.ts";
import type { LiveRun } from "./store-types.ts";

export function viewOf(live: LiveRun, results: Results): RunView {
  return {
    resource: live.resource,
    document: live.document,
    run: live.run,
    plan: live.plan,
    state: live.state,
    inputs: live.inputs,
    step_inputs: live.step_inputs,
    pins: live.pins,
    result: (step) => results.text(live, step),
    resultBytes: (step) => results.bytes(live, step),
  };
}

/** Answers at once, or by a promise when results have to be loaded first. */
export function ask<T>(
  results: Results,
  live: LiveRun,
  question: (view: RunView) => T,
): T | Promise<T> {
  try {
    return question(viewOf(live, results));
  } catch (error) {
    if (!(error instanceof ResultNotLoaded)) throw error;
    return askAgain(results, live, question, error.step);
  }
}

async function askAgain<T>(
  results: Results,
  live: LiveRun,
  question: (view: RunView) => T,
  first: number,
): Promise<T> {
  results.hold(live);
  try {
    for (let step = first; ; ) {
      await results.load(live, step);
      try {
        return question(viewOf(live, results));
      } catch (error) {
        if (!(error instanceof ResultNotLoaded) || error.step === step) throw error;
        step = error.step;
      }
    }
  } finally {
    results.release(live);
  }
}
