/** Test support: the committed event log of a run, judged as its readers see it. */
import { must } from "./machine-witness-rules.ts";
import type { Effect, MachineEvent, RunPlan, RunState } from "./types.ts";

export const LAST_WORDS: readonly MachineEvent["type"][] = [
  "run.completed",
  "run.failed",
  "run.cancelled",
];

/** Events that a step has at most one of. */
const ONCE: readonly MachineEvent["type"][] = [
  "gate.opened",
  "gate.approved",
  "gate.refused",
  "step.expanded",
  "step.completed",
  "step.failed",
  "step.skipped",
  "step.cancelled",
];

export class CommitLog {
  readonly #plan: RunPlan;
  readonly #events: MachineEvent[] = [];
  /** Which step took each signal. */
  readonly #taken = new Map<string, number>();
  /** Name of each signal that came, by its id. */
  readonly #received = new Map<string, string>();

  constructor(plan: RunPlan) {
    this.#plan = plan;
  }

  append(effects: readonly Effect[], state: RunState): void {
    for (const effect of effects) {
      if (effect.type === "emit") {
        const { event } = effect;
        this.#events.push(event);
        if (event.type === "signal.received") this.#received.set(event.id, event.name);
      }
      if (effect.type === "take_signal") {
        const { step, id } = effect;
        must(!this.#taken.has(id), `signal ${id} passes two gates`);
        this.#taken.set(id, step);
      }
    }
    for (const [id, step] of this.#taken) {
      const name = this.#received.get(id);
      must(this.#plan.steps[step]?.gate?.signal === name, `signal ${id} passes another's gate`);
    }
    const kept = new Set(state.signals.map(({ id }) => id));
    for (const id of this.#received.keys()) {
      must(kept.has(id) !== this.#taken.has(id), `signal ${id} is kept until it is taken`);
    }
    for (const { name } of state.signals) {
      const waits = state.steps.some(
        (step, index) =>
          step.status === "waiting" && this.#plan.steps[step.group ?? index]?.gate?.signal === name,
      );
      must(!waits, `a gate waits for the signal "${name}", which came`);
    }
  }

  /** Judges the whole log once nothing more is to come. */
  judge(state: RunState): void {
    const open = new Map<number, number>();
    const newest = new Map<number, { epoch: number; attempt: number; completed: boolean }>();
    const said = new Set<string>();
    let over = false;
    let begun = false;
    for (const event of this.#events) {
      if (event.type === "attempt.refused") continue;
      must(!over, `${event.type} after the end`);
      if (LAST_WORDS.includes(event.type)) over = true;
      if (event.type === "run.started") {
        must(!begun, "the run started twice");
        begun = true;
      }
      if ("step" in event && ONCE.includes(event.type)) {
        const once = `${event.type} of step ${event.step}`;
        must(!said.has(once), `${once} said twice`);
        said.add(once);
      }
      if (event.type === "attempt.started") {
        const last = newest.get(event.step);
        must(begun, "an attempt before run.started");
        must(!open.has(event.step), `step ${event.step} started beside itself`);
        must(!last?.completed, `step ${event.step} started after its result`);
        must(event.epoch > (last?.epoch ?? 0), `epochs of step ${event.step} rise`);
        must(event.attempt >= (last?.attempt ?? 1), `attempts of step ${event.step} do not fall`);
        open.set(event.step, event.epoch);
        newest.set(event.step, { ...event, completed: false });
      } else if (event.type === "attempt.finished" || event.type === "attempt.lost") {
        must(
          open.get(event.step) === event.epoch,
          `${event.type} of step ${event.step} without start`,
        );
        open.delete(event.step);
        const completed = event.type === "attempt.finished" && event.result.status === "completed";
        newest.set(event.step, { ...event, completed });
      } else if (event.type === "step.skipped" || event.type === "step.cancelled") {
        must(!open.has(event.step), `${event.type} of step ${event.step}, which runs`);
      }
    }
    must(over, "the log has no end");
    must(open.size === 0, "an attempt without an end");
    state.steps.forEach((step, index) => {
      if (step.reused_from) return;
      const completed =
        newest.get(index)?.completed === true ||
        said.has(`step.completed of step ${index}`) ||
        said.has(`gate.approved of step ${index}`);
      must(completed === (step.status === "completed"), `step ${index} ended as its log says`);
    });
  }
}
