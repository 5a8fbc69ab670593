/** What callers ask of a session: each is judged by the machine, and done in one commit. */
import { canonicalJson } from "../../http/json.ts";
import { sha256 } from "../../security/hash.ts";
import type { Command } from "../machine/events.ts";
import { isAtRest } from "../machine/machine.ts";
import { refusal } from "../machine/refusal.ts";
import { callsOf } from "../machine/state.ts";
import type { Limits, SessionSettings } from "../machine/types.ts";
import { wireState } from "../machine/wire.ts";
import { userText } from "../models/messages.ts";
import { ModelError } from "../models/port.ts";
import type {
  Caller,
  CreateSession,
  SendMessage,
  SentMessage,
  SessionCommand,
  SessionRefusal,
  SessionSnapshot,
} from "../session-port.ts";
import type { BudgetSpec } from "../spec.ts";
import type { ToolDefinition } from "../tool-port.ts";
import { inputDigest, problemOf } from "./call-specs.ts";
import type { Calls } from "./calls.ts";
import type { SessionEngine } from "./engine.ts";
import { NANOS } from "./ledger-table.ts";
import type { SessionModels } from "./ports.ts";
import { replyOf } from "./replies.ts";
import { snapshotOf } from "./snapshot.ts";

type Decision = Extract<SessionCommand, { type: "decide" }>;
type Charge = Extract<SessionCommand, { type: "charge" }>;

/** Requests that are remembered; one is repeated soon after it was cut off, if at all. */
const MAX_CHARGES = 100;

export class Commands {
  readonly #engine: SessionEngine;
  readonly #models: SessionModels;
  readonly #calls: Calls;
  readonly #definitions: () => readonly ToolDefinition[];

  constructor(
    engine: SessionEngine,
    models: SessionModels,
    calls: Calls,
    definitions: () => readonly ToolDefinition[],
  ) {
    this.#engine = engine;
    this.#models = models;
    this.#calls = calls;
    this.#definitions = definitions;
  }

  /** A session that exists is answered as it is. */
  create(input: CreateSession): SessionSnapshot {
    if (!this.#engine.isLoaded) {
      const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
      this.#engine.commit((now) => {
        const settings = settingsOf(input);
        const limits = limitsOf(input.spec.budget);
        this.#engine.begin({ ...input, created_at: now }, { settings, limits, seed });
        const { spec, caller, parent } = input;
        const data = { name: spec.name, by: caller.by, parent: parent && { ...parent } };
        this.#engine.append({ type: "session.created", turn: null, data }, now);
      });
    }
    return snapshotOf(this.#engine);
  }

  async send(message: SendMessage): Promise<SentMessage | SessionRefusal> {
    const { id, content, attachments, attached = [], policy } = message;
    const fingerprint = sha256(canonicalJson({ content, attachments, policy }));
    const { messages } = this.#engine.store;
    const known = messages.request(id);
    if (known === null) {
      const command: Command = { type: "message", id, policy };
      const refused = this.#refusal(command);
      if (refused !== null) return refused;
      this.#engine.commit((now) => {
        messages.insert({
          seq: this.#engine.nextSeq,
          id,
          at: now,
          turn: null,
          step: null,
          role: "user",
          state: "queued",
          content: [content, ...attached].flatMap((text) => [...userText(text).content]),
          attachments,
          sent: { caller: message.caller, fingerprint },
        });
        this.#engine.changeProgress({ last_active_at: now });
        this.#engine.drive(command, now);
      });
    } else if (known.fingerprint !== fingerprint) return { refused: "mismatch" };
    await this.#engine.waitUntil(() => this.#isSettled(id), message.wait_ms);
    const turn = messages.request(id)?.turn ?? null;
    const reply = turn === null ? null : replyOf(this.#engine, turn);
    return { message_id: id, turn, reply, session: snapshotOf(this.#engine) };
  }

  command(command: SessionCommand, { by }: Caller): SessionSnapshot | SessionRefusal {
    switch (command.type) {
      case "budget":
        return this.#changeBudget(command.budget);
      case "model":
        return this.#changeModel(command.model);
      case "decide":
        return this.#decide(command, by);
      case "charge":
        return this.#charge(command);
      case "compact":
        return this.#do({ type: "compact", id: crypto.randomUUID() });
      default:
        return this.#do(command);
    }
  }

  #do(command: Command): SessionSnapshot | SessionRefusal {
    const refused = this.#refusal(command);
    if (refused !== null) return refused;
    this.#engine.tell(command);
    return snapshotOf(this.#engine);
  }

  #changeBudget(budget: BudgetSpec): SessionSnapshot | SessionRefusal {
    const command: Command = { type: "budget_changed", limits: limitsOf(budget) };
    const refused = this.#refusal(command);
    if (refused !== null) return refused;
    this.#engine.commit((now) => {
      this.#engine.changeHead({ spec: { ...this.#engine.head.spec, budget } });
      this.#engine.drive(command, now);
    });
    return snapshotOf(this.#engine);
  }

  #charge({ id, ...used }: Charge): SessionSnapshot | SessionRefusal {
    const { progress, state } = this.#engine;
    const refused = this.#refusal({ type: "configured", settings: state.settings });
    if (refused !== null) return refused;
    if (progress.charges.includes(id)) return snapshotOf(this.#engine);
    const usd_nanos = Math.round(used.usd * NANOS);
    const tokens = used.input_tokens + used.output_tokens;
    this.#engine.commit((now) => {
      this.#engine.append({ type: "usage.charged", turn: null, data: used }, now);
      this.#engine.changeProgress({
        input_tokens: progress.input_tokens + used.input_tokens,
        output_tokens: progress.output_tokens + used.output_tokens,
        charges: [...progress.charges, id].slice(-MAX_CHARGES),
      });
      this.#engine.drive({ type: "charged", usd_nanos, tokens, sandbox_ms: 0 }, now);
    });
    return snapshotOf(this.#engine);
  }

  /** The next step is asked of the model; one that is written goes on. */
  #changeModel(name: string): SessionSnapshot | SessionRefusal {
    const { state, head, setup } = this.#engine;
    const refused = this.#refusal({ type: "configured", settings: state.settings });
    if (refused !== null) return refused;
    let model: string;
    try {
      model = this.#models.resolve(name).name;
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return { refused: "invalid", path: "model", message: error.message };
    }
    this.#engine.commit((now) => {
      this.#engine.changeHead({ spec: { ...head.spec, model: name } });
      if (setup !== null) this.#engine.setSetup({ ...setup, model });
      this.#engine.append({ type: "session.model_changed", turn: null, data: { model } }, now);
    });
    return snapshotOf(this.#engine);
  }

  #decide(decision: Decision, by: string): SessionSnapshot | SessionRefusal {
    const { call, approved, input, reason } = decision;
    if (!approved) return this.#do({ type: "deny", call, by, reason });
    const edited_digest = input === undefined ? null : inputDigest(input);
    const command: Command = { type: "approve", call, by, digest: null, edited_digest };
    const refused = this.#refusal(command);
    if (refused !== null) return refused;
    if (input === undefined || edited_digest === null) {
      this.#engine.tell(command);
      return snapshotOf(this.#engine);
    }
    const name = callsOf(this.#engine.state.turn).find(({ id }) => id === call)?.name ?? "";
    const definition = this.#definitions().find((each) => each.name === name);
    const problem = problemOf(definition, name, input, []);
    if (problem !== null) return { refused: "invalid", path: "input", message: problem };
    this.#calls.editing(input, edited_digest, () => this.#engine.tell(command));
    return snapshotOf(this.#engine);
  }

  #refusal(command: Command): SessionRefusal | null {
    const { state } = this.#engine;
    const refused = refusal(state, command);
    if (refused === null) return null;
    if (refused.code === "queue_full") return { refused: "too_many", detail: refused.detail };
    const { state: shown } = wireState(state);
    return { refused: "illegal", state: shown, allowed: refused.allowed, detail: refused.detail };
  }

  /** The turn of the message has ended, or goes on only when somebody does something. */
  #isSettled(id: string): boolean {
    const turn = this.#engine.store.messages.request(id)?.turn ?? null;
    if (turn !== null && this.#engine.state.turn?.number !== turn) return true;
    return isAtRest(this.#engine.state);
  }
}

/** What the spec leaves open is as the deployment says. A sub-agent goes under its parent's slot. */
function settingsOf({ spec, defaults, parent }: CreateSession): Partial<SessionSettings> {
  const { approval_timeout_seconds: approval } = spec;
  return {
    max_steps: spec.max_iterations ?? defaults.max_iterations,
    turn_timeout_ms: (spec.timeout_seconds ?? defaults.timeout_seconds) * 1000,
    max_parallel_tools: spec.max_parallel_tools,
    approval_timeout_ms: approval === null ? null : approval * 1000,
    is_slotted: parent === null,
  };
}

function limitsOf({ usd, tokens, steps, seconds, sandbox_seconds }: BudgetSpec): Limits {
  const times = (value: number | null, unit: number) =>
    value === null ? null : Math.floor(value * unit);
  return {
    usd_nanos: times(usd, NANOS),
    tokens,
    steps,
    active_ms: times(seconds, 1000),
    sandbox_ms: times(sandbox_seconds, 1000),
  };
}
