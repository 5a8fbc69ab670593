/**
 * A session that is a step of a run: it is given one thing to do, tells the run what came of it, and
 * is over then. The outcome is stored before it is told, and told until the run has taken it.
 */
import { logWarning } from "../../http/log.ts";
import { seedFrom } from "../../runs/address.ts";
import type { ParentRef } from "../../runs/store-types.ts";
import { type ChildReport, type ChildStart, refusal, stopped } from "../../runs/sub-runs.ts";
import type { AttemptResult } from "../../runs/types.ts";
import { isAtRest } from "../machine/machine.ts";
import type { StopReason } from "../machine/types.ts";
import { readOrder } from "../order.ts";
import { MAX_REMINDERS, REMINDER } from "../result-tool.ts";
import type { CreateSession } from "../session-port.ts";
import type { Commands } from "./commands.ts";
import type { SessionEngine } from "./engine.ts";
import { NANOS } from "./ledger-table.ts";
import { replyOf } from "./replies.ts";

const PROMPT = "prompt";
const RETRY_MS = 1_500;
/** A stop is remembered this long: what was to begin it cannot come later. */
const STOP_KEPT_MS = 60 * 60_000;
const STOPPED = "stopped";

export interface Assigned {
  /** Null while the agent is at it. */
  readonly outcome: Pick<ChildReport, "result" | "outputs"> | null;
  /** The run wants it no more. */
  readonly is_stopped: boolean;
  readonly is_told: boolean;
}

const BEGUN: Assigned = { outcome: null, is_stopped: false, is_told: false };

export interface AssignmentPorts {
  /** Limits of the deployment, for what an order leaves open. */
  readonly defaults: CreateSession["defaults"];
  tell(report: ChildReport): Promise<void>;
}

export class Assignment {
  readonly #engine: SessionEngine;
  readonly #storage: DurableObjectStorage;
  readonly #commands: Commands;
  readonly #ports: AssignmentPorts;
  #kept: Assigned | null = null;
  #isTelling = false;
  /** Whether the run was told that the agent only waits. */
  #saidRest = false;
  /** One report after the other: none may arrive after what follows it. */
  #said: Promise<void> = Promise.resolve();

  constructor(
    engine: SessionEngine,
    storage: DurableObjectStorage,
    commands: Commands,
    ports: AssignmentPorts,
  ) {
    this.#engine = engine;
    this.#storage = storage;
    this.#commands = commands;
    this.#ports = ports;
  }

  /** Begins it, unless its stop has come before; asked again, it tells how it is. */
  async begin(start: ChildStart): Promise<ChildReport> {
    const { parent, made_of } = start;
    if (this.#isBegun()) {
      this.#saidRest = false;
      this.#repeat();
    } else if (this.#storage.kv.get(STOPPED) !== undefined) return stopped(parent);
    else if (made_of) await this.#create(start, made_of.document);
    else return refusal(parent, "agent_not_described", "The step does not say what its agent is.");
    return { parent, result: null, outputs: null };
  }

  /** Ends it; what is not begun yet never will be. */
  async stop(parent: ParentRef): Promise<ChildReport> {
    if (!this.#engine.isLoaded) {
      this.#storage.kv.put(STOPPED, true);
      await this.#storage.setAlarm(Date.now() + STOP_KEPT_MS);
      return stopped(parent);
    }
    const assigned = this.#assigned() ?? BEGUN;
    if (assigned.outcome === null) {
      this.#engine.commit((now) => {
        this.#keep({ ...assigned, is_stopped: true });
        this.#engine.drive({ type: "terminate" }, now);
      });
    } else this.#repeat();
    return { parent, result: null, outputs: null };
  }

  /** Of an object that has no session, but that it was stopped. */
  async forgetStop(): Promise<void> {
    if (this.#storage.kv.get(STOPPED) !== undefined) await this.#storage.deleteAll();
  }

  /** When a crash now would have to be made good; null when nothing is behind. */
  dueAt(): number | null {
    const assigned = this.#assigned();
    if (assigned === null || assigned.is_told) return null;
    const isDue = assigned.outcome !== null || this.#isOver();
    return isDue ? Date.now() + RETRY_MS : null;
  }

  /** Takes up what the newest commit has come to. */
  look(): void {
    const assigned = this.#assigned();
    if (assigned === null || assigned.is_told) return;
    const { outcome } = assigned;
    if (outcome !== null) {
      this.#tell(outcome);
      return;
    }
    if (!this.#isOver()) {
      this.#sayRest();
      return;
    }
    const found = this.#outcome(assigned);
    if (found === null) void this.#remind();
    else {
      this.#engine.commit((now) => {
        this.#keep({ ...assigned, outcome: found });
        this.#engine.drive({ type: "terminate" }, now);
      });
    }
  }

  #isBegun(): boolean {
    if (!this.#engine.isLoaded) return false;
    return this.#engine.store.messages.request(this.#messageId(PROMPT)) !== null;
  }

  /** Each part is done once, whichever of them a crash came between. */
  async #create({ resource_id: id, project_id, parent, ...start }: ChildStart, document: string) {
    const { spec, prompt, grants } = readOrder(document);
    const { triggered_by, trace = null } = start;
    const { defaults } = this.#ports;
    const caller = { by: triggered_by ?? `pipeline:${parent.resource_id}`, grants, trace };
    this.#commands.create({
      id,
      project_id,
      spec: {
        ...spec,
        max_iterations: spec.max_iterations ?? defaults.max_iterations,
        timeout_seconds: spec.timeout_seconds ?? defaults.timeout_seconds,
      },
      caller,
      defaults,
      parent: null,
      run_step: parent,
    });
    if (this.#assigned() === null) {
      this.#engine.commit((now) => {
        this.#keep(BEGUN);
        this.#engine.drive({ type: "initialize" }, now);
      });
    }
    await this.#say(PROMPT, prompt);
  }

  /** Nothing of it goes on, and nothing waits to be done. */
  #isOver(): boolean {
    const { state } = this.#engine;
    if (state.phase === "terminated") return isAtRest(state);
    if (state.phase === "error") return true;
    return state.last_turn !== null && state.turn === null && state.queue.length === 0;
  }

  /** What it has come to; null when it is to be asked for its result. */
  #outcome({ is_stopped }: Assigned): Assigned["outcome"] {
    const { head, state } = this.#engine;
    if (state.phase === "terminated") {
      if (is_stopped) return { result: { status: "cancelled" }, outputs: null };
      return failed("agent_terminated", `The agent ${head.id} was terminated before it was done.`);
    }
    const { last_turn: last, error } = state;
    if (state.phase === "error" || last === null) {
      const why = error?.message ?? "no reason was recorded";
      return failed(error?.code ?? "agent_failed", `The agent could not go on: ${why}`);
    }
    const reply = replyOf(this.#engine, last.number);
    if (last.stop_reason !== "end_turn") {
      const why = last.error?.message ?? ENDS[last.stop_reason] ?? "";
      return failed(`agent_${last.stop_reason}`, `The agent ${head.id} stopped. ${why}`.trim());
    }
    if (head.spec.outputs === null) return done({ text: reply?.text ?? "", agent_id: head.id });
    if (reply !== null && reply.result !== null) return done(reply.result);
    if (this.#reminders() < MAX_REMINDERS) return null;
    return failed(
      "agent_result_missing",
      `The agent ${head.id} ended without handing in its result. Its last words: ${reply?.text.slice(0, 500) ?? ""}`,
    );
  }

  #reminders(): number {
    const { messages } = this.#engine.store;
    let sent = 0;
    while (messages.request(this.#messageId(`reminder/${sent}`)) !== null) sent += 1;
    return sent;
  }

  #remind(): Promise<void> {
    return this.#say(`reminder/${this.#reminders()}`, REMINDER);
  }

  async #say(name: string, content: string): Promise<void> {
    await this.#commands.send({
      id: this.#messageId(name),
      content,
      attachments: [],
      policy: "enqueue",
      caller: this.#engine.head.caller,
      wait_ms: 0,
    });
  }

  #messageId(name: string): string {
    return seedFrom(this.#engine.head.id, name);
  }

  /** Tells again what was told before, since the run may not have heard it. */
  #repeat(): void {
    const assigned = this.#assigned();
    if (assigned?.is_told) this.#engine.commit(() => this.#keep({ ...assigned, is_told: false }));
    else this.look();
  }

  #tell({ result, outputs }: NonNullable<Assigned["outcome"]>): void {
    const { run_step: parent } = this.#engine.head;
    if (!parent || this.#isTelling) return;
    this.#isTelling = true;
    const { spent } = this.#engine.state.budget;
    const usage = { usd: spent.usd_nanos / NANOS, sandbox_seconds: spent.sandbox_ms / 1000 };
    this.#report({ parent, result, outputs, usage }, () => {
      const assigned = this.#assigned();
      if (assigned) this.#engine.commit(() => this.#keep({ ...assigned, is_told: true }));
    });
    this.#said = this.#said.then(() => {
      this.#isTelling = false;
    });
  }

  #sayRest(): void {
    const { run_step: parent } = this.#engine.head;
    const resting = this.#engine.isAtRest;
    if (!parent || resting === this.#saidRest) return;
    this.#saidRest = resting;
    this.#report({ parent, result: null, outputs: null, resting }, () => undefined);
  }

  /** What does not come through is asked for by the run, or told again by the alarm. */
  #report(report: ChildReport, told: () => void): void {
    this.#said = this.#said.then(async () => {
      try {
        await this.#ports.tell(report);
        told();
      } catch (error) {
        logWarning("run_not_told", error, { resource_id: report.parent.resource_id });
      }
    });
  }

  /** Null for a session that is no step of a run. */
  #assigned(): Assigned | null {
    if (!this.#engine.isLoaded || !this.#engine.head.run_step) return null;
    this.#kept ??= this.#engine.store.documents.get("assigned");
    return this.#kept;
  }

  /** To be called inside a commit. */
  #keep(assigned: Assigned): void {
    this.#kept = assigned;
    this.#engine.store.documents.set("assigned", assigned);
  }
}

const ENDS: Readonly<Partial<Record<StopReason, string>>> = {
  max_tokens: "Its answer was cut off: raise max_tokens.",
  max_steps: "It took as many steps as it may: raise max_iterations, or ask for less.",
  refusal: "The model refused to answer.",
  cancelled: "Its turn was cancelled.",
};

function done(outputs: unknown): Assigned["outcome"] {
  const result: AttemptResult = { status: "completed", exit_code: null };
  return { result, outputs: JSON.stringify(outputs) };
}

function failed(code: string, message: string): Assigned["outcome"] {
  const result: AttemptResult = {
    status: "failed",
    reason: "error",
    exit_code: null,
    code,
    message,
  };
  return { result, outputs: null };
}
