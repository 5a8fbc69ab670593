/** Calls of tools: each runs under its epoch, is bounded in what it may answer, and ends once. */
import type { Json } from "../../http/json.ts";
import { callKey } from "../call-key.ts";
import type { CallOutcome, CallRef } from "../machine/call-types.ts";
import type { Effect, MachineEvent } from "../machine/effects.ts";
import { modelMessageSchema, textOf } from "../models/messages.ts";
import { ancestorsOf } from "../session-port.ts";
import type { ToolContext, ToolHost, ToolResult } from "../tool-port.ts";
import { callTrace } from "../traces/spans.ts";
import type { SessionEngine } from "./engine.ts";

type RunCall = Extract<Effect, { type: "run_call" }>;
type StopCall = Extract<Effect, { type: "stop_call" }>;

/** What a model is given of a result; what is longer is cut. */
export const MAX_RESULT_CHARS = 64 * 1024;

interface Answer {
  readonly output: Json;
  readonly is_error: boolean;
}

const WORDS: Readonly<Record<Exclude<CallOutcome, "succeeded" | "failed" | "answered">, string>> = {
  denied: "The call was denied, and did not run.",
  expired: "Nobody approved the call in time, and it did not run.",
  invalid: "The call is not valid, and did not run.",
  cancelled: "The call was cancelled before it ran.",
  interrupted:
    "The call was stopped while it ran. What it did is not known: look before you repeat it.",
};

export class Calls {
  readonly #engine: SessionEngine;
  readonly #tools: ToolHost;
  readonly #running = new Map<number, AbortController>();
  /** What the running commit knows of calls beside the machine. */
  #result: Answer | null = null;
  #edit: { readonly input: Json; readonly digest: string } | null = null;
  #reasons = new Map<string, string>();

  constructor(engine: SessionEngine, tools: ToolHost) {
    this.#engine = engine;
    this.#tools = tools;
  }

  /**
   * Runs a call, once its start is stored; or stops what of it runs elsewhere, which is to run it
   * with a signal that has been given.
   */
  async run(effect: RunCall | StopCall): Promise<void> {
    const { epoch, type } = effect;
    const stored = this.#engine.store.calls.get(effect);
    const { setup } = this.#engine;
    if (stored === null || setup === null || this.#running.has(epoch)) return;
    const controller = new AbortController();
    if (type === "stop_call") controller.abort();
    this.#running.set(epoch, controller);
    const { name, input } = stored;
    const call = { key: callKey(this.#engine.head.id, effect), turn: effect.turn, name, input };
    const context = this.#context(effect);
    const result = await this.#tools
      .run(context, setup.tools, call, controller.signal)
      .catch((error: unknown): ToolResult => {
        console.error(JSON.stringify({ event: "tool_threw", tool: name, message: String(error) }));
        return { output: `The tool "${name}" failed inside the service.`, is_error: true };
      });
    this.#running.delete(epoch);
    this.#ended(epoch, result);
  }

  /** Nobody waits for the call any more; true when it ran here. */
  stop(epoch: number): boolean {
    const controller = this.#running.get(epoch);
    if (controller === undefined) return false;
    this.#engine.afterCommit(() => controller.abort());
    return true;
  }

  /** Has a call that lives elsewhere end, wherever it was begun. */
  stopElsewhere(effect: StopCall): void {
    const controller = this.#running.get(effect.epoch);
    if (controller !== undefined) controller.abort();
    else void this.run(effect);
  }

  /** Of what the next commit decides: the input that a call is approved with. */
  editing<T>(input: Json, digest: string, body: () => T): T {
    this.#edit = { input, digest };
    try {
      return body();
    } finally {
      this.#edit = null;
    }
  }

  approved({ is_edited, ...ref }: Extract<MachineEvent, { type: "tool.approved" }>): void {
    if (!is_edited || this.#edit === null) return;
    this.#engine.store.calls.edited(ref, this.#edit.input, this.#edit.digest);
  }

  denied({ call, reason }: Extract<MachineEvent, { type: "tool.denied" }>): void {
    if (reason !== null) this.#reasons.set(call, reason);
  }

  /** What the model is told of a call that has ended. */
  answerOf(event: Extract<MachineEvent, { type: "tool.finished" }>): Answer {
    const { outcome, message, call } = event;
    if (outcome === "answered") return { output: this.#textOf(message), is_error: false };
    if (outcome === "succeeded" || outcome === "failed") {
      return this.#result ?? { output: null, is_error: outcome === "failed" };
    }
    const reason = this.#reasons.get(call);
    this.#reasons.delete(call);
    const why = outcome === "invalid" ? this.#engine.store.calls.get(event)?.problem : reason;
    const output = why ? `${WORDS[outcome]} ${why}` : WORDS[outcome];
    return { output, is_error: true };
  }

  #ended(epoch: number, result: ToolResult): void {
    const { is_error, usd_nanos = 0, sandbox_ms = 0 } = result;
    this.#result = { output: bounded(result.output), is_error };
    this.#engine.commit((now) => {
      if (usd_nanos > 0 || sandbox_ms > 0) {
        this.#engine.drive({ type: "charged", usd_nanos, tokens: 0, sandbox_ms }, now);
      }
      const isStopped = this.#engine.state.stopping.some((call) => call.epoch === epoch);
      const type = isStopped ? "call_aborted" : "call_finished";
      this.#engine.drive({ type, epoch, is_error }, now);
    });
    this.#result = null;
  }

  /** A call may do what the sender of the message may that its turn began with. */
  #context(ref: CallRef): ToolContext {
    const { head, setup, store } = this.#engine;
    const turn = store.turns.get(ref.turn);
    const sender = turn?.input_kind === "message" ? store.messages.callerOf(turn.input_id) : null;
    const caller = sender ?? head.caller;
    // What the call leads to is below it.
    const trace = callTrace(head.id, ref, caller.trace ?? null);
    const spec = { ...head.spec, model: setup?.model ?? head.spec.model };
    return toolContext({ ...head, spec }, { ...caller, trace });
  }

  #textOf(message: string | null): string {
    const stored = message === null ? null : this.#engine.store.messages.get(message);
    if (stored === null) return "";
    return textOf(modelMessageSchema.parse({ role: "user", content: stored.content }));
  }
}

export function toolContext(
  head: SessionEngine["head"],
  caller: ToolContext["caller"],
): ToolContext {
  const { id, project_id, spec } = head;
  return { session_id: id, project_id, caller, spec, above: ancestorsOf(head) };
}

function bounded(output: Json): Json {
  const text = typeof output === "string" ? output : JSON.stringify(output);
  if (text.length <= MAX_RESULT_CHARS) return output;
  const kept = text.slice(0, MAX_RESULT_CHARS).toWellFormed();
  return `${kept}\n[Cut: the result has ${text.length} characters, and these are the first ${MAX_RESULT_CHARS}. Ask for less of it.]`;
}
