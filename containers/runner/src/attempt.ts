/** One dispatch from its start until the service has its outcome. */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { failed } from "../../../workers/executors/outcome.ts";
import type { AttemptSink, Outcome, StopReason } from "../../../workers/executors/port.ts";
import { acceptedOutcome } from "../../../workers/executors/runner/accepted-outcome.ts";
import type { FromRunner } from "../../../workers/executors/runner/protocol.ts";
import type { Assignment } from "./agent.ts";
import type { Backend } from "./backend.ts";
import { backoffMs } from "./backoff.ts";
import { FencedError } from "./errors.ts";
import { Delivery } from "./output/delivery.ts";
import { EntryLog } from "./output/entry-log.ts";
import type { ServiceClient } from "./service.ts";
import { stopAttempt } from "./stop-grace.ts";

/** What is sent and not acknowledged is sent again after this, and then less and less often. */
const RESEND = { firstMs: 5_000, maxMs: 60_000 };
/** How often the service may ask: what it gets twice may make it ask again. */
const ASK_MS = 1_000;

export interface AttemptSettings {
  readonly assignment: Assignment;
  readonly backend: Backend;
  readonly service: ServiceClient;
  /** Where its output is kept until it is acknowledged. */
  readonly folder: string;
  readonly maxOutputBytes: number;
  /** Whether `send` gets through. */
  readonly isConnected: () => boolean;
  readonly send: (frame: FromRunner) => void;
  /** The service says that the dispatch is not wanted any more. */
  readonly onFenced: () => void;
}

export class Attempt {
  readonly #settings: AttemptSettings;
  readonly #controller = new AbortController();
  readonly #outputPath: string;
  readonly #log: EntryLog;
  readonly #delivery: Delivery;
  #outcome: Outcome | null = null;
  #isCompleteSent = false;
  #isDropped = false;
  #isClosed = false;
  /** When something was sent, acknowledged or sent again last. */
  #progressAt = 0;
  #resends = 0;
  /** When the service last asked for output to be sent again. */
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: AttemptSettings) {
    this.#settings = settings;
    this.#outputPath = join(settings.folder, `${randomUUID()}.output`);
    this.#log = new EntryLog(this.#outputPath, settings.maxOutputBytes, () => this.#pump());
    this.#delivery = new Delivery(this.#log);
  }

  /** Entries of output so far. */
  get output(): number {
    return this.#log.end.entry;
  }

  /** Executes it to its end; never rejects. */
  async run(): Promise<void> {
    const { assignment, backend } = this.#settings;
    const { ref, project_id, work, timeout_ms } = assignment;
    const values = new Map(Object.entries(assignment.secrets));
    let outcome: Outcome;
    try {
      const executor = backend.executor({
        secrets: { resolve: async () => values },
        blobs: { get: (key) => this.#blob(key) },
      });
      const deadline_at = Date.now() + timeout_ms;
      const request = { ref, project_id, work, deadline_at, timeout_ms };
      outcome = await executor.run(request, this.#sink(), this.#controller.signal);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      outcome = failed(
        "error",
        "runner_failed",
        `The runner failed: ${why}. This is a defect of the runner; please report it.`,
      );
    }
    this.#log.flush();
    // What the service could not take would be sent again forever, or cut the connection.
    this.#outcome = acceptedOutcome(outcome);
    if (this.#isDropped) this.#close();
  }

  /** To be called once it counts as ended: its outcome follows its output. */
  report(): void {
    this.#pump();
  }

  stop(reason: StopReason, graceMs: number): void {
    stopAttempt(this.#controller, reason, graceMs);
  }

  /** Kills it; nothing of it is sent any more. */
  drop(): void {
    this.#isDropped = true;
    stopAttempt(this.#controller, "cancel", 0);
    if (this.#outcome !== null) this.#close();
  }

  /** The service has the outcome. */
  settle(): void {
    this.#isDropped = true;
    this.#close();
  }

  /** A new connection: the service has `output` entries. */
  resume(output: number): void {
    this.#delivery.resume(output);
    this.#isCompleteSent = false;
    this.#resends = 0;
    this.#pump();
  }

  acknowledge(output: number): void {
    const now = performance.now();
    if (this.#delivery.acknowledge(output)) {
      this.#resends = 0;
      this.#progressAt = now;
      this.#pump();
    } else if (output === this.#delivery.acknowledged && now - this.#askedAt >= ASK_MS) {
      // By repeating itself the service asks for what follows: it has been lost, or refused for now.
      this.#askedAt = now;
      this.#sendAgain();
    }
  }

  /** Sends again what has been on its way for too long; to be called about once a second. */
  tick(): void {
    if (this.#isDropped || !(this.#delivery.isWaiting || this.#isCompleteSent)) return;
    const wait = backoffMs(this.#resends + 1, RESEND, 1);
    if (performance.now() - this.#progressAt < wait) return;
    this.#resends += 1;
    this.#sendAgain();
  }

  #sendAgain(): void {
    this.#delivery.resume(this.#delivery.acknowledged);
    this.#isCompleteSent = false;
    this.#pump();
  }

  #pump(): void {
    const { assignment, isConnected, send } = this.#settings;
    if (this.#isDropped || !isConnected()) return;
    const { attempt, epoch } = assignment;
    for (let chunk = this.#delivery.next(); chunk !== null; chunk = this.#delivery.next()) {
      const entries = chunk.entries.map(([stream, text]): [typeof stream, string] => [
        stream,
        text,
      ]);
      send({ type: "log", attempt, epoch, from: chunk.from, entries });
      this.#progressAt = performance.now();
    }
    if (this.#outcome === null || this.#isCompleteSent || !this.#delivery.hasSentAll) return;
    this.#isCompleteSent = true;
    this.#progressAt = performance.now();
    send({ type: "complete", attempt, epoch, output: this.output, outcome: this.#outcome });
  }

  #sink(): AttemptSink {
    const { assignment, service } = this.#settings;
    return {
      log: (stream, text) => {
        if (!this.#isDropped) this.#log.write(stream, text);
      },
      artifact: (path, body) =>
        this.#unlessFenced(service.artifact(assignment, path, body, this.#controller.signal)),
    };
  }

  async #blob(key: string): Promise<Response | null> {
    const { assignment, service } = this.#settings;
    const { signal } = this.#controller;
    // A tree may be large, and goes to the disk as it comes.
    if (key === assignment.work.tree?.key) {
      return this.#unlessFenced(service.openBlob(assignment, key, signal));
    }
    const body = await this.#unlessFenced(service.blob(assignment, key, signal));
    return body === null ? null : new Response(body);
  }

  async #unlessFenced<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof FencedError) this.#settings.onFenced();
      throw error;
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#log.close();
    rmSync(this.#outputPath, { force: true });
  }
}
