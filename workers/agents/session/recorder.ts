/** What each event of the machine leaves in the tables and in the log; all of it inside one commit. */
import type { Json } from "../../http/json.ts";
import type { CallRef } from "../machine/call-types.ts";
import type { MachineEvent } from "../machine/effects.ts";
import type { Calls } from "./calls.ts";
import type { SessionEngine } from "./engine.ts";
import type { Steps } from "./steps.ts";
import type { SessionStore } from "./store.ts";

type Of<Type extends MachineEvent["type"]> = Extract<MachineEvent, { type: Type }>;

export class Recorder {
  readonly #engine: SessionEngine;
  readonly #store: SessionStore;
  readonly #steps: Steps;
  readonly #calls: Calls;

  constructor(engine: SessionEngine, steps: Steps, calls: Calls) {
    this.#engine = engine;
    this.#store = engine.store;
    this.#steps = steps;
    this.#calls = calls;
  }

  record(event: MachineEvent, now: number): void {
    const engine = this.#engine;
    switch (event.type) {
      case "message.queued":
        this.#append(event, this.#contentOf(event.message), now);
        return;
      case "session.ready":
        engine.changeProgress({ started_at: engine.progress.started_at ?? now });
        break;
      case "session.failed":
        engine.changeProgress({ error_count: engine.progress.error_count + 1 });
        break;
      case "session.terminated":
        engine.changeProgress({ terminated_at: now });
        break;
      case "turn.started":
        this.#store.turns.begin(event.turn, event.input, now);
        if (event.input.kind === "message") {
          this.#store.messages.take(event.input.id, event.turn, engine.nextSeq);
        }
        engine.changeProgress({ last_active_at: now });
        break;
      case "turn.ended":
        this.#turnEnded(event, now);
        break;
      case "step.started":
        this.#stepStarted(event);
        break;
      case "step.finished":
        this.#stepFinished(event, now);
        break;
      case "step.failed":
        this.#cutOff(event, event.retry_at === null, event.error.code, now);
        break;
      case "step.stopped":
        this.#cutOff(event, true, event.reason, now);
        break;
      case "usage.settled":
        this.#settled(event, now);
        break;
      case "tool.approval_requested":
        this.#store.calls.requested(event, now, event.is_rerun);
        break;
      case "tool.approved":
        this.#calls.approved(event);
        break;
      case "tool.denied":
        this.#calls.denied(event);
        break;
      case "tool.finished":
        this.#toolFinished(event, now);
        return;
      // A quote and what it is held against begin and end in one commit.
      case "quote.dropped":
        return;
      default:
    }
    this.#append(event, {}, now);
  }

  #append(event: MachineEvent, more: Readonly<Record<string, Json>>, now: number): number {
    const { type, ...rest } = event;
    const data: Json = { ...plain(rest), ...more };
    return this.#engine.append({ type, turn: this.#turnOf(event), data }, now);
  }

  #contentOf(id: string): Readonly<Record<string, Json>> {
    const message = this.#store.messages.get(id);
    return message === null ? {} : { content: message.content, attachments: message.attachments };
  }

  #turnOf(event: MachineEvent): number | null {
    if ("turn" in event) return event.turn;
    if (event.type === "usage.settled") return this.#store.ledger.turnOf(event.epoch);
    return this.#engine.state.turn?.number ?? null;
  }

  #turnEnded({ turn, stop_reason, error }: Of<"turn.ended">, now: number): void {
    this.#store.turns.end(turn, stop_reason, now);
    if (stop_reason === "rolled_back") this.#store.messages.rollBack(turn);
    const { error_count } = this.#engine.progress;
    this.#engine.changeProgress({
      last_active_at: now,
      error_count: error_count + (error === null ? 0 : 1),
    });
  }

  #stepStarted({ epoch, turn, step, attempt }: Of<"step.started">): void {
    const plan = this.#steps.planned(epoch);
    const is_priced = plan.quote.usd_nanos !== null;
    this.#store.ledger.begin({ epoch, turn, step, attempt, model: plan.model, is_priced });
  }

  /** The message takes the place of its deltas, and is stored with the calls that it asks for. */
  #stepFinished({ epoch, turn, step, kind }: Of<"step.finished">, now: number): void {
    const running = this.#steps.get(epoch);
    if (running === null || running.result === null) return;
    const { message_id: id, plan } = running;
    const { message, calls } = running.result;
    this.#store.log.dropDeltas(epoch);
    if (message.content.length === 0) return;
    const isSummary = kind === "compaction";
    const role = isSummary ? "summary" : "assistant";
    const content: Json = message.content.map(plain);
    const seq = this.#engine.append(
      { type: "message.completed", turn, data: { message: id, role, step, content } },
      now,
    );
    this.#store.messages.insert({
      seq,
      id,
      at: now,
      turn,
      step,
      role,
      state: "taken",
      content,
      ...(isSummary && { through: plan.through }),
    });
    for (const [place, { spec, input, problem }] of calls.entries()) {
      const { id: call, name, digest } = spec;
      this.#store.calls.insert({ turn, step, call, name, input, digest, problem }, place);
    }
  }

  /** Of a step that did not end well what it wrote is kept, unless the step is written again. */
  #cutOff(
    { epoch, turn, step }: Of<"step.failed" | "step.stopped">,
    isKept: boolean,
    reason: string,
    now: number,
  ): void {
    const text = this.#steps.partialText(epoch);
    const id = `step:${turn}.${step}.${epoch}`;
    const hadDeltas = this.#store.log.dropDeltas(epoch);
    if (isKept && text !== "") {
      const content: Json = [{ type: "text", text }];
      const data = { message: id, role: "assistant", step, content, reason };
      const seq = this.#engine.append({ type: "message.cut", turn, data }, now);
      const role = "assistant";
      this.#store.messages.insert({ seq, id, at: now, turn, step, role, state: "cut", content });
    } else if (hadDeltas) {
      const data = { message: id, step, reason };
      this.#engine.append({ type: "message.discarded", turn, data }, now);
    }
  }

  #settled({ epoch, usd_nanos, is_assumed }: Of<"usage.settled">, now: number): void {
    const usage = this.#steps.get(epoch)?.usage ?? null;
    const { progress, nextSeq: seq } = this.#engine;
    const isPriced = this.#store.ledger.isPriced(epoch);
    // Where only the price is unknown, what was used is known all the same.
    const isUnsaid = is_assumed && (usage === null || isPriced);
    this.#store.ledger.settle({
      epoch,
      seq,
      at: now,
      usage,
      usd_nanos,
      is_assumed: isUnsaid,
    });
    this.#engine.changeProgress({
      input_tokens: progress.input_tokens + (usage?.input_tokens ?? 0),
      output_tokens: progress.output_tokens + (usage?.output_tokens ?? 0),
      cached_input_tokens: progress.cached_input_tokens + (usage?.cached_input_tokens ?? 0),
      is_partly_unknown: progress.is_partly_unknown || !isPriced,
    });
  }

  #toolFinished(event: Of<"tool.finished">, now: number): void {
    const ref: CallRef = event;
    const { output, is_error } = this.#calls.answerOf(event);
    this.#store.calls.answered(ref, event.outcome);
    const { turn, step, call } = ref;
    const seq = this.#append(event, { output, is_error }, now);
    this.#store.messages.insert({
      seq,
      id: `call:${turn}.${step}.${call}`,
      at: now,
      turn,
      step,
      role: "tool",
      state: "taken",
      content: [{ type: "tool_result", id: call, output, is_error }],
    });
    if (event.message !== null) this.#store.messages.answer(event.message, turn, call);
  }
}

/** A value of plain members as the JSON that it is. */
function plain(value: object): { readonly [name: string]: Json } {
  return JSON.parse(JSON.stringify(value));
}
