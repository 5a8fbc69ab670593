/** What runners say, whichever transport brings it, and what they are answered. */
import { acceptedOutcome } from "./accepted-outcome.ts";
import type { Assigner } from "./assigner.ts";
import { CLOSE_REFUSED, CLOSE_REPLACED, type Connections } from "./connections.ts";
import type { Dispatches } from "./dispatches.ts";
import type { PoolStore } from "./pool-store.ts";
import { type Connection, isActive, type PoolAttempt, REVOKED } from "./pool-types.ts";
import {
  CLOSE_ENDED,
  type Dispatched,
  dispatchedKey,
  type FromRunner,
  fromRunnerSchema,
  HEARTBEAT_MS,
  type Held,
  labelProblem,
  MAX_LOG_FRAME_CHARS,
  PROTOCOL_VERSION,
  RUNNER_LABEL,
} from "./protocol.ts";
import type { Reporter } from "./reporter.ts";
import type { Returns } from "./returns.ts";
import type { Roster } from "./roster.ts";
import type { Tracker } from "./tracker.ts";

/** What is refused; a frame that went a little over is not. */
const MAX_FRAME_CHARS = 2 * MAX_LOG_FRAME_CHARS;

type Frame<Type extends FromRunner["type"]> = Extract<FromRunner, { type: Type }>;

export interface ConversationDeps {
  readonly store: PoolStore;
  readonly roster: Roster;
  readonly connections: Connections;
  readonly reporter: Reporter;
  readonly assigner: Assigner;
  readonly dispatches: Dispatches;
  readonly returns: Returns;
  readonly pool: string;
  readonly leaseMs: number;
  arm(): void;
}

export class Conversation {
  readonly #deps: ConversationDeps;
  /** What each connection said is heard in its order, also while a hello is being answered. */
  readonly #turns = new WeakMap<Connection, Promise<void>>();

  constructor(deps: ConversationDeps) {
    this.#deps = deps;
  }

  /** Hears a message of a WebSocket. */
  hearText(connection: Connection, text: string): Promise<void> {
    return this.hearValue(connection, parseJson(text));
  }

  /** Hears what should be a frame; what is none is refused. */
  hearValue(connection: Connection, value: unknown): Promise<void> {
    const frame = fromRunnerSchema.safeParse(value);
    if (frame.success) return this.hear(connection, frame.data);
    const [issue] = frame.error.issues;
    const where = issue?.path.join(".") ?? "";
    this.#refuse(
      connection,
      "frame_invalid",
      `A frame could not be read${where === "" ? "" : ` at "${where}"`}: ${issue?.message ?? "it is no JSON"}. Use a runner of the service's version.`,
    );
    return Promise.resolve();
  }

  hear(connection: Connection, frame: FromRunner): Promise<void> {
    const before = this.#turns.get(connection) ?? Promise.resolve();
    const turn = before.then(() => this.#take(connection, frame));
    // A frame that failed is reported to its caller, and holds up none behind it.
    this.#turns.set(
      connection,
      turn.catch(() => undefined),
    );
    return turn;
  }

  #take(connection: Connection, frame: FromRunner): Promise<void> | void {
    // What it has is known to the connection that took its place.
    if (connection.isClosed) return;
    if (frame.type === "hello") return this.#hello(connection, frame);
    if (!connection.isReady) {
      this.#refuse(connection, "hello_missing", "The first frame of a connection is a hello.");
      return;
    }
    switch (frame.type) {
      case "heartbeat":
        return this.#heartbeat(connection, frame);
      case "started":
        return this.#started(connection, frame);
      case "log":
        return this.#log(connection, frame);
      case "complete":
        return this.#complete(connection, frame);
      case "rejected":
        return this.#rejected(connection, frame);
    }
  }

  /** The runner's process ends: it is not there any more, and what it should have it has not. */
  leave(connection: Connection): void {
    if (!connection.isReady) return;
    connection.close(CLOSE_ENDED, "ended");
    const { runner_id } = connection;
    for (const row of this.#deps.store.activeOf(runner_id)) this.#giveUp(row, true);
    this.#deps.assigner.assign();
    this.#deps.arm();
  }

  /** What a runner should have and has not: what the same process never began did not get there. */
  #giveUp(row: PoolAttempt, isSameLife: boolean): void {
    const { assigner, reporter, dispatches } = this.#deps;
    if (assigner.isPreparing(row) || reporter.isWhole(row)) return;
    if (isSameLife && row.state === "assigned") dispatches.requeue(row);
    else dispatches.lose(row);
  }

  #refuse(connection: Connection, code: string, message: string): void {
    connection.send({ type: "refused", code, message });
    connection.close(CLOSE_REFUSED, code);
  }

  async #hello(connection: Connection, hello: Frame<"hello">): Promise<void> {
    const { roster, connections, pool, leaseMs, dispatches, assigner } = this.#deps;
    if (hello.protocol !== PROTOCOL_VERSION) {
      const message = `This service speaks version ${PROTOCOL_VERSION} of the runner protocol, and the runner version ${hello.protocol}. Use a runner of the service's version.`;
      return this.#refuse(connection, "protocol_unsupported", message);
    }
    const { runner_id } = connection;
    if (roster.find(runner_id)?.is_revoked === true) return this.#refuseRevoked(connection);
    const wrong = hello.labels.filter((label) => !RUNNER_LABEL.test(label));
    if (wrong.length > 0) {
      return this.#refuse(
        connection,
        "labels_invalid",
        `Its labels ${labelProblem(wrong)} Start it with other --labels.`,
      );
    }
    connections.closeOthers(runner_id, connection, CLOSE_REPLACED, "replaced");
    const before = roster.greet(runner_id, hello, Date.now());
    const isSameLife = before.boot_id === hello.boot_id;
    const resumed = await Promise.all(this.#sort(runner_id, hello.running, isSameLife));
    // Another connection of the runner may have said hello meanwhile.
    if (connection.isClosed) return;
    if (roster.find(runner_id)?.is_revoked === true) return this.#refuseRevoked(connection);
    connection.isReady = true;
    connection.send({
      type: "welcome",
      protocol: PROTOCOL_VERSION,
      runner_id,
      pool,
      heartbeat_ms: Math.min(HEARTBEAT_MS, Math.ceil(leaseMs / 3)),
      lease_ms: leaseMs,
      resumed: resumed.filter((one) => one !== null),
    });
    for (const row of this.#deps.store.activeOf(runner_id)) dispatches.sendStop(row);
    assigner.assign();
    // It may not run any more what it was meant for.
    this.#deps.returns.begin(Date.now());
    this.#deps.arm();
  }

  #refuseRevoked(connection: Connection): void {
    this.#refuse(connection, REVOKED.code, REVOKED.message);
  }

  /** Of what the runner should have: what it goes on with, what it never got, what is lost. */
  #sort(runnerId: string, running: readonly Held[], isSameLife: boolean): Promise<Held | null>[] {
    const { store, assigner, leaseMs } = this.#deps;
    const named = new Set(running.map(dispatchedKey));
    const mine = store.activeOf(runnerId).filter((row) => !assigner.isPreparing(row));
    const kept = mine.filter((row) => named.has(dispatchedKey(row)));
    store.renew(
      runnerId,
      kept.map(({ attempt }) => attempt),
      Date.now() + leaseMs,
    );
    for (const row of mine.filter((row) => !named.has(dispatchedKey(row)))) {
      this.#giveUp(row, isSameLife);
    }
    return kept.map((row) => this.#resume(row));
  }

  /** Where the runner is to go on from; null when the dispatch is fenced. */
  async #resume(row: PoolAttempt): Promise<Held | null> {
    const { reporter, store } = this.#deps;
    const tracker = reporter.of(row);
    const answer = await reporter.ask(tracker);
    const current = store.find(row.attempt);
    if (current?.epoch !== row.epoch || !isActive(current)) return null;
    const output = answer?.status === "accepted" ? answer.output : tracker.buffer.taken;
    return { attempt: row.attempt, epoch: row.epoch, output };
  }

  #heartbeat(connection: Connection, heartbeat: Frame<"heartbeat">): void {
    const { store, roster, reporter, dispatches, assigner, leaseMs } = this.#deps;
    const { runner_id } = connection;
    const now = Date.now();
    roster.hear(runner_id, heartbeat, now);
    const mine = new Map(store.activeOf(runner_id).map((row) => [dispatchedKey(row), row]));
    const kept: string[] = [];
    for (const held of heartbeat.running) {
      const row = mine.get(dispatchedKey(held));
      if (row === undefined) {
        this.#answerOver(connection, held);
        continue;
      }
      kept.push(row.attempt);
      // A cancel that got lost is said again.
      dispatches.sendStop(row);
      const tracker = reporter.of(row);
      if (tracker.isMissing(held.output)) this.#askAgain(connection, tracker);
    }
    store.renew(runner_id, kept, now + leaseMs);
    const named = new Set(kept);
    for (const row of mine.values()) {
      // One that has not started may have crossed with its assignment: its lease decides.
      if (named.has(row.attempt) || row.state === "assigned" || reporter.isWhole(row)) continue;
      dispatches.lose(row);
    }
    assigner.assign();
    this.#deps.returns.begin(now);
  }

  /** What the runner has and should not: it has ended, or is another's. */
  #answerOver(connection: Connection, { attempt, epoch }: Dispatched): void {
    const row = this.#deps.store.find(attempt);
    const isMine = row?.epoch === epoch && row.runner_id === connection.runner_id;
    if (isMine && row.state === "done" && row.final?.type === "ended") {
      connection.send({ type: "complete_ack", attempt, epoch });
      this.#deps.roster.vacate(connection.runner_id, attempt);
    } else connection.send({ type: "fenced", attempt, epoch });
  }

  /** The attempt when it is this runner's; else the runner is told what became of it. */
  #mine(connection: Connection, { attempt, epoch }: Dispatched): PoolAttempt | null {
    const row = this.#deps.store.find(attempt);
    const isMine = row?.epoch === epoch && row.runner_id === connection.runner_id;
    if (isMine && isActive(row)) return row;
    this.#answerOver(connection, { attempt, epoch });
    return null;
  }

  #started(connection: Connection, frame: Frame<"started">): void {
    const { store, reporter } = this.#deps;
    const row = this.#mine(connection, frame);
    if (row === null || row.state === "running") return;
    store.setRunning(row.attempt);
    const tracker = reporter.of(row);
    if (tracker.started === "no") tracker.started = "owed";
    reporter.wake(tracker);
  }

  #log(connection: Connection, frame: Frame<"log">): void {
    const { reporter } = this.#deps;
    const chars = frame.entries.reduce((sum, [, text]) => sum + text.length, 0);
    if (chars > MAX_FRAME_CHARS) {
      const message = `A frame holds at most ${MAX_LOG_FRAME_CHARS} characters of output, and this one ${chars}.`;
      this.#refuse(connection, "frame_invalid", message);
      return;
    }
    const row = this.#mine(connection, frame);
    // What is dropped here is asked for when more comes, or by a heartbeat.
    if (row === null || reporter.isFull) return;
    const tracker = reporter.of(row);
    switch (tracker.buffer.add(frame.from, frame.entries)) {
      case "added":
        reporter.wake(tracker);
        return;
      case "gap":
        this.#askAgain(connection, tracker);
        return;
      case "known":
        // An acknowledgement got lost, unless it is still to come.
        if (tracker.buffer.end === tracker.buffer.taken) this.#acknowledge(connection, tracker);
    }
  }

  #complete(connection: Connection, frame: Frame<"complete">): void {
    const { reporter } = this.#deps;
    const row = this.#mine(connection, frame);
    if (row === null) return;
    const tracker = reporter.of(row);
    tracker.complete = { output: frame.output, outcome: acceptedOutcome(frame.outcome) };
    if (tracker.isWhole) reporter.wake(tracker);
    else this.#askAgain(connection, tracker);
  }

  #rejected(connection: Connection, frame: Frame<"rejected">): void {
    const { roster, dispatches, assigner } = this.#deps;
    const row = this.#mine(connection, frame);
    if (row === null) return;
    const { runner_id } = connection;
    roster.vacate(runner_id, row.attempt);
    dispatches.requeue(row);
    const name = roster.find(runner_id)?.name ?? runner_id;
    assigner.pause(row.attempt, runner_id, `The runner "${name}" did not take it: ${frame.reason}`);
    assigner.assign();
  }

  /** By acknowledging what there is, the pool asks for what follows it. */
  #askAgain(connection: Connection, tracker: Tracker): void {
    if (tracker.mayAsk(Date.now())) this.#acknowledge(connection, tracker);
  }

  #acknowledge(connection: Connection, { row: { attempt, epoch }, buffer }: Tracker): void {
    connection.send({ type: "log_ack", attempt, epoch, output: buffer.taken });
  }
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
