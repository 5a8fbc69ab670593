/** Test support: the log of a session as its readers know it, judged as it grows. */
import { must } from "../../runs/machine-witness-rules.ts";
import type { CallRef } from "./call-types.ts";
import type { MachineEvent } from "./effects.ts";
import type { SessionState } from "./types.ts";

interface LoggedCall {
  readonly ref: CallRef;
  starts: number;
  isFinished: boolean;
  /** It waits for a person, whose word it needs before it starts. */
  isAsked: boolean;
}

export class CommitLog {
  /** Inputs: how each came to its end, once. */
  readonly #queued: string[] = [];
  readonly #ends = new Map<string, string>();
  /** Inputs that stop nothing, in the order in which turns have begun with them. */
  readonly #begun: string[] = [];
  readonly #urgent = new Set<string>();
  readonly #calls = new Map<string, LoggedCall>();
  #turns = 0;
  #step: { number: number; epoch: number | null } = { number: 0, epoch: null };
  #isPaused = false;
  liveTurn: number | null = null;
  isTerminated = false;

  append(events: readonly MachineEvent[]): void {
    for (const event of events) this.#add(event);
  }

  judge({ queue }: SessionState): void {
    const waiting = new Set(queue.map(({ id }) => id));
    for (const id of this.#queued) {
      const end = this.#ends.get(id);
      must((end !== undefined) !== waiting.has(id), `input ${id} came to ${end}`);
    }
    must(queue.length === 0 || this.#isPaused || this.liveTurn !== null, "an input is left lying");
    const order = this.#queued.filter((id) => this.#begun.includes(id) && !this.#urgent.has(id));
    const begun = this.#begun.filter((id) => !this.#urgent.has(id));
    must(order.join() === begun.join(), `turns began with ${begun}, not ${order}`);
  }

  #add(event: MachineEvent): void {
    const isLate = event.type === "usage.settled" || event.type === "report.refused";
    must(!this.isTerminated || isLate, `${event.type} after the end`);
    switch (event.type) {
      case "session.terminated":
        must(this.liveTurn === null, "the session ends before its turn");
        this.isTerminated = true;
        break;
      case "session.paused":
        must(!this.#isPaused && this.#step.epoch === null, "a pause is reached while a step runs");
        this.#isPaused = true;
        break;
      case "session.resumed":
        this.#isPaused = false;
        break;
      case "message.queued":
        this.#queue(event.message);
        break;
      case "compaction.queued":
        this.#queue(event.id);
        break;
      case "input.dropped":
        this.#end(event.input.id, "dropped");
        break;
      case "turn.started":
        this.#turnStarted(event);
        break;
      case "turn.ended":
        this.#turnEnded(event.turn);
        break;
      case "step.started":
      case "step.finished":
      case "step.failed":
      case "step.stopped":
        this.#stepped(event);
        break;
      default:
        if ("call" in event) this.#called(event);
    }
  }

  #queue(id: string): void {
    must(!this.#queued.includes(id), `input ${id} is queued twice`);
    this.#queued.push(id);
  }

  #end(id: string, how: string): void {
    must(this.#queued.includes(id), `input ${id} was never queued`);
    must(!this.#ends.has(id), `input ${id} comes to an end twice: ${how}`);
    this.#ends.set(id, how);
  }

  #turnStarted({ turn, input }: Extract<MachineEvent, { type: "turn.started" }>): void {
    must(this.liveTurn === null && turn === this.#turns + 1, `turn ${turn} begins beside another`);
    must(!this.#isPaused, "a turn begins in a pause");
    this.#end(input.id, `turn ${turn}`);
    if (input.is_urgent) this.#urgent.add(input.id);
    this.#begun.push(input.id);
    this.#turns = turn;
    this.liveTurn = turn;
    this.#step = { number: 0, epoch: null };
  }

  #turnEnded(turn: number): void {
    must(this.liveTurn === turn, `turn ${turn} ends that is not live`);
    must(this.#step.epoch === null, `turn ${turn} ends in the middle of a step`);
    this.#allAnswered();
    this.liveTurn = null;
  }

  #allAnswered(): void {
    for (const [key, { isFinished }] of this.#calls) must(isFinished, `call ${key} is an orphan`);
  }

  #stepped(
    event: Extract<
      MachineEvent,
      { type: "step.started" | "step.finished" | "step.failed" | "step.stopped" }
    >,
  ): void {
    const { type, turn, step, epoch } = event;
    must(turn === this.liveTurn, `${type} of turn ${turn}, which is not live`);
    if (type !== "step.started") {
      must(this.#step.epoch === epoch, `${type} of a step that does not run`);
      this.#step.epoch = null;
      return;
    }
    must(this.#step.epoch === null, "two steps at once");
    must(!this.#isPaused, "a step begins in a pause");
    const { number } = this.#step;
    must(step === number || step === number + 1, `step ${step} after step ${number}`);
    this.#allAnswered();
    this.#step = { number: step, epoch };
  }

  #called(event: Extract<MachineEvent, { call: string }>): void {
    const key = `${event.turn}/${event.step}/${event.call}`;
    must(event.turn === this.liveTurn, `${event.type} ${key} outside its turn`);
    if (event.type === "tool.called") {
      must(!this.#calls.has(key), `call ${key} is recorded twice`);
      const { turn, step, call } = event;
      const ref = { turn, step, call };
      this.#calls.set(key, { ref, starts: 0, isFinished: false, isAsked: false });
      return;
    }
    const call = this.#calls.get(key);
    if (call === undefined) throw new Error(`broken invariant: ${event.type} ${key} not recorded`);
    must(!call.isFinished, `${event.type} ${key} after its answer`);
    switch (event.type) {
      case "tool.started":
        must(!call.isAsked, `call ${key} starts before somebody says so`);
        must(!this.#isPaused, `call ${key} starts in a pause`);
        call.starts += 1;
        break;
      case "tool.approval_requested":
        must(event.is_rerun === call.starts > 0, `call ${key} is asked about for another cause`);
        call.isAsked = true;
        break;
      case "tool.input_requested":
        call.isAsked = true;
        break;
      case "tool.approved":
        must(call.isAsked, `call ${key} is approved unasked`);
        call.isAsked = false;
        break;
      case "tool.finished":
        this.#answered(event, call);
        break;
      default:
    }
  }

  #answered(event: Extract<MachineEvent, { type: "tool.finished" }>, call: LoggedCall): void {
    const { outcome, message } = event;
    call.isFinished = true;
    if (message !== null) this.#end(message, `answer of ${event.call}`);
    const ran = ["succeeded", "failed", "interrupted"].includes(outcome);
    // One that is asked about again may be denied, or expire, after it ran.
    const isOpen = outcome === "denied" || outcome === "expired";
    must(ran === call.starts > 0 || isOpen, `${outcome}, started ${call.starts} times`);
  }
}
