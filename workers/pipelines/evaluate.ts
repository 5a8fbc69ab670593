/** What a pipeline answers for its run: whether a step runs, what it does, what the run comes to. */
import type { Conclusion, Decision, RunView, StepWork } from "../runs/ports.ts";
export function decide(_view: RunView, _step: number): Decision {
  throw new Error("not written yet");
}
export function work(_view: RunView, _step: number): StepWork {
  throw new Error("not written yet");
}
export function conclude(_view: RunView): Conclusion {
  throw new Error("not written yet");
}
