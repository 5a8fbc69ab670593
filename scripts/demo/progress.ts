/** What the events of a pipeline's run make of the rows that are shown of it. */
import { z } from "zod";
import type { ApiEvent } from "../lib/api.ts";
import type { DemoStep } from "./definition.ts";
import { Display, type Row } from "./display.ts";
import { firstLine, inTime } from "./words.ts";

const stepEventSchema = z.looseObject({
  type: z.string(),
  at: z.iso.datetime().transform((at) => Date.parse(at)),
  step: z.string(),
  attempt: z.int().optional(),
  retry_at: z.number().optional(),
  status: z.string().optional(),
  message: z.string().optional(),
  text: z.string().optional(),
  items: z.int().optional(),
  by: z.string().optional(),
  comment: z.string().nullish(),
  error: z.unknown().optional(),
});
type StepEvent = z.output<typeof stepEventSchema>;

const ITEM = /^(?<group>.+)\[(?<item>\d+)\]$/;

/** Why an attempt failed, without what every script's failure begins with. */
const reasonOf = (message: string) =>
  firstLine(message).replace(/^The script threw: (Error: )?/, "");

export class Progress {
  readonly display: Display;
  readonly #rows: ReadonlyMap<string, Row>;
  /** By the name of a step: when it was first at work, or waiting. */
  readonly #began = new Map<string, number>();

  /** Steps whose results are `reused` are shown so from the beginning. */
  constructor(steps: readonly DemoStep[], reused: readonly string[]) {
    const depths = new Map<string, number>();
    const rows = steps.map(({ name, needs = [] }): [string, Row] => {
      const depth = Math.max(-1, ...needs.map((need) => depths.get(need) ?? 0)) + 1;
      depths.set(name, depth);
      const shown = depth === 0 ? name : `${"  ".repeat(depth - 1)}└ ${name}`;
      const after = needs.length > 0 ? `after ${needs.join(", ")}` : "";
      if (!reused.includes(name)) {
        return [name, { name: shown, state: "pending", note: after, time: null }];
      }
      const items = reused.filter((one) => ITEM.exec(one)?.groups?.group === name);
      const note = items.length > 0 ? `${items.length} of ${items.length}` : "";
      const row = { name: shown, state: "reused", note, time: null };
      return [name, { ...row, items: items.map(() => "reused") }];
    });
    this.#rows = new Map(rows);
    this.display = new Display([...this.#rows.values()]);
  }

  /** `reason` is what a gate that opens waits for. */
  see(event: ApiEvent, reason = ""): void {
    // The others tell of the run.
    if (!("step" in event)) return;
    const told = stepEventSchema.parse(event);
    const { group = told.step, item } = ITEM.exec(told.step)?.groups ?? {};
    const row = this.#rows.get(group);
    if (!row) return;
    if (item === undefined) this.#seeStep(row, told, reason);
    else this.#seeItem(row, Number(item), told);
  }

  #seeStep(row: Row, event: StepEvent, reason: string): void {
    const { type, at, step } = event;
    const take = (state: string, note: string) => {
      if (!this.#began.has(step) && state !== "skipped") this.#began.set(step, at);
      const began = this.#began.get(step);
      const isOver = ["completed", "failed", "skipped"].includes(state);
      row.state = state;
      row.note = note;
      if (began !== undefined) row.time = { began, took: isOver ? at - began : null };
      this.display.update(row);
    };
    const attempts = (event.attempt ?? 1) > 1 ? `attempt ${event.attempt}` : "";
    switch (type) {
      case "attempt.started":
        take("running", attempts);
        break;
      case "log":
        row.note = firstLine(event.text ?? "");
        break;
      case "attempt.finished": {
        const isCompleted = event.status === "completed";
        const note = isCompleted ? attempts || row.note : reasonOf(event.message ?? "");
        take(isCompleted ? "completed" : "failed", note);
        break;
      }
      case "step.waiting":
        take("waiting", `is tried again in ${inTime((event.retry_at ?? at) - at)}`);
        break;
      case "step.skipped":
        take("skipped", "");
        break;
      case "step.expanded":
        row.items = Array.from({ length: event.items ?? 0 }, () => "pending");
        take("running", `0 of ${event.items}`);
        break;
      case "step.completed":
        take(event.error ? "failed" : "completed", row.note);
        break;
      case "gate.opened":
        take("waiting", reason);
        break;
      case "gate.approved":
        take("completed", `approved by ${event.by}: ${event.comment ?? ""}`);
        break;
    }
  }

  #seeItem(row: Row, item: number, { type, status }: StepEvent): void {
    const state = new Map([
      ["attempt.started", "running"],
      ["attempt.finished", status ?? "failed"],
      ["step.waiting", "waiting"],
    ]).get(type);
    if (!row.items || state === undefined) return;
    row.items = row.items.with(item, state);
    const done = row.items.filter((one) => one === "completed").length;
    row.note = `${done} of ${row.items.length}`;
  }
}
