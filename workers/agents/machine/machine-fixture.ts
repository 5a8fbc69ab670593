/** Test support: a session that is driven by hand, with the newest epoch of each kind at hand. */
import type { CallSpec } from "./call-types.ts";
import type { Effect, MachineEvent } from "./effects.ts";
import type { Command, SessionEvent } from "./events.ts";
import { createSession, reduce } from "./machine.ts";
import { type Refusal, refusal } from "./refusal.ts";
import type { NewSession } from "./state.ts";
import type { SessionState, StepUsage } from "./types.ts";
import { type WireStatus, wireState } from "./wire.ts";

export const FREE: StepUsage = { usd_nanos: 0, tokens: 0 };

export function call(id: string, more: Partial<CallSpec> = {}): CallSpec {
  return {
    id,
    name: "run_task",
    policy: "allow",
    kind: "tool",
    recovery: "report",
    is_parallel: true,
    digest: "d1",
    ...more,
  };
}

export class Driver {
  state: SessionState;
  /** Of the last event. */
  effects: readonly Effect[] = [];
  now = 0;

  constructor(of: Omit<NewSession, "seed"> = {}) {
    const settings = { is_slotted: false, ...of.settings };
    this.state = createSession({ ...of, settings, seed: 1 });
  }

  /** One that is initialized. */
  static ready(of: Omit<NewSession, "seed"> = {}): Driver {
    const driver = new Driver(of).apply({ type: "initialize" });
    return driver.apply({ type: "prepared", epoch: driver.epochOf("prepare") });
  }

  apply(event: SessionEvent, now = this.now): this {
    this.now = now;
    const { state, effects } = reduce(this.state, event, now);
    this.state = state;
    this.effects = effects;
    return this;
  }

  message(id: string, policy: Extract<Command, { type: "message" }>["policy"] = "enqueue"): this {
    return this.apply({ type: "message", id, policy });
  }

  /** Begins the step that is being quoted. */
  quoted(quote: StepUsage = FREE): this {
    const { work } = this.state.turn ?? {};
    const epoch = work?.status === "quoting" ? work.epoch : 0;
    return this.apply({
      type: "step_quoted",
      epoch,
      kind: "reply",
      quote,
      is_pool_exhausted: false,
    });
  }

  /** Ends the step that is quoted or runs. */
  step(...calls: readonly CallSpec[]): this {
    if (this.state.turn?.work.status === "quoting") this.quoted();
    const finish_reason = calls.length > 0 ? "tool_calls" : "stop";
    const epoch = this.stepEpoch;
    return this.apply({ type: "step_finished", epoch, finish_reason, calls, usage: FREE });
  }

  failed(is_retryable: boolean, retry_after_ms: number | null = null): this {
    return this.apply({
      type: "step_failed",
      epoch: this.stepEpoch,
      error: { code: "model_overloaded", message: "Try it again." },
      is_retryable,
      retry_after_ms,
      usage: FREE,
    });
  }

  result(id: string, is_error = false): this {
    return this.apply({ type: "call_finished", epoch: this.callEpoch(id), is_error });
  }

  get stepEpoch(): number {
    const { work } = this.state.turn ?? {};
    return work?.status === "running" ? work.epoch : 0;
  }

  callEpoch(id: string): number {
    return this.calls().find((each) => each.id === id)?.epoch ?? 0;
  }

  calls() {
    const { work } = this.state.turn ?? {};
    return work?.status === "calls" ? work.calls : [];
  }

  /** By id. */
  statuses(): Record<string, string> {
    return Object.fromEntries(this.calls().map(({ id, status }) => [id, status]));
  }

  epochOf(type: "prepare" | "quote_step" | "run_step" | "run_call"): number {
    const effect = this.effects.findLast((each) => each.type === type);
    return effect !== undefined && "epoch" in effect ? effect.epoch : 0;
  }

  emitted(): readonly MachineEvent[] {
    return this.effects.flatMap((each) => (each.type === "emit" ? [each.event] : []));
  }

  types(): readonly string[] {
    return this.emitted().map(({ type }) => type);
  }

  /** What is done beside the log. */
  acts(): readonly string[] {
    return this.effects.flatMap((each) => (each.type === "emit" ? [] : [each.type]));
  }

  outcomes(): readonly string[] {
    return this.emitted().flatMap((event) =>
      event.type === "tool.finished" ? [`${event.call} ${event.outcome}`] : [],
    );
  }

  get wire(): WireStatus {
    return wireState(this.state);
  }

  refused(command: Command): Refusal | null {
    return refusal(this.state, command);
  }
}
