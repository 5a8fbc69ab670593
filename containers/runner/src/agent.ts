/**
 * What the runner has under way, and what it does about each frame of the service. Without I/O: it
 * answers with effects, which the runner performs.
 *
 * A dispatch is running until its executor ends, then ended until the service has taken its outcome.
 * What the service does not want any more is dropped: killed, and nothing of it is reported.
 */

import type { StopReason, TaskType } from "../../../workers/executors/port.ts";
import {
  type FromRunner,
  GRACE_MS,
  type Held,
  type ToRunner,
} from "../../../workers/executors/runner/protocol.ts";

export type Assignment = Extract<ToRunner, { type: "assign" }>;

export interface Dispatched {
  readonly attempt: string;
  readonly epoch: number;
}

/** Names one dispatch. */
export function dispatchKey({ attempt, epoch }: Dispatched): string {
  return `${attempt}@${epoch}`;
}

export type Effect =
  | { readonly type: "send"; readonly frame: FromRunner }
  | { readonly type: "start"; readonly key: string; readonly assignment: Assignment }
  | {
      readonly type: "stop";
      readonly key: string;
      readonly reason: StopReason;
      readonly graceMs: number;
    }
  /** Kill it and forget its output. */
  | { readonly type: "drop"; readonly key: string }
  /** The service has `output` entries on this connection; what follows is to be sent. */
  | { readonly type: "resume"; readonly key: string; readonly output: number }
  | { readonly type: "acknowledge"; readonly key: string; readonly output: number }
  /** The service has the outcome. */
  | { readonly type: "settle"; readonly key: string };

interface Entry extends Dispatched {
  readonly phase: "running" | "ended";
}

export interface AgentSettings {
  readonly slots: number;
  /** Why a type cannot be run now; null when it can. */
  readonly unavailable: (type: TaskType) => string | null;
  /** Entries of output that a dispatch has produced. */
  readonly outputOf: (key: string) => number;
}

/** Attempts whose newest epoch is remembered after they have gone. */
const MAX_REMEMBERED = 10_000;

export class Agent {
  readonly #settings: AgentSettings;
  readonly #entries = new Map<string, Entry>();
  /** The newest epoch that was started, by attempt; the latest started are last. */
  readonly #newest = new Map<string, number>();
  #isDraining = false;

  constructor(settings: AgentSettings) {
    this.#settings = settings;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Dispatches that are running or whose outcome the service has not taken. */
  get size(): number {
    return this.#entries.size;
  }

  get running(): number {
    return [...this.#entries.values()].filter(({ phase }) => phase === "running").length;
  }

  /** What hello and heartbeats name. */
  held(): Held[] {
    return [...this.#entries].map(([key, { attempt, epoch }]) => ({
      attempt,
      epoch,
      output: this.#settings.outputOf(key),
    }));
  }

  /** Takes nothing more. */
  drain(): void {
    this.#isDraining = true;
  }

  receive(frame: ToRunner): Effect[] {
    switch (frame.type) {
      case "welcome":
        return this.#welcome(frame.resumed);
      case "assign":
        return this.#assign(frame);
      case "log_ack":
        return this.#known(frame, (key) => [{ type: "acknowledge", key, output: frame.output }]);
      case "complete_ack":
        return this.#known(frame, (key, { phase }) => {
          if (phase === "running") return [];
          this.#entries.delete(key);
          return [{ type: "settle", key }];
        });
      case "cancel":
        return this.#known(frame, (key, { phase }) =>
          phase === "ended"
            ? []
            : [{ type: "stop", key, reason: frame.reason, graceMs: frame.grace_ms }],
        );
      case "fenced":
        return this.#known(frame, (key) => this.#drop(key));
      case "refused":
        return this.dropAll();
    }
  }

  /** The executor of a dispatch has ended; false when nobody wants its outcome. */
  ended(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.set(key, { ...entry, phase: "ended" });
    return true;
  }

  /** The service says, beside the frames, that a dispatch is not wanted any more. */
  fence(key: string): Effect[] {
    return this.#entries.has(key) ? this.#drop(key) : [];
  }

  /** Stops a dispatch whose time is up, however long the service has been away. */
  expire(key: string): Effect[] {
    if (this.#entries.get(key)?.phase !== "running") return [];
    return [{ type: "stop", key, reason: "timeout", graceMs: GRACE_MS }];
  }

  /** Gives up what is running; the next heartbeat tells, since it does not name it. */
  dropRunning(): Effect[] {
    return [...this.#entries]
      .filter(([, { phase }]) => phase === "running")
      .flatMap(([key]) => this.#drop(key));
  }

  dropAll(): Effect[] {
    return [...this.#entries.keys()].flatMap((key) => this.#drop(key));
  }

  #welcome(resumed: readonly Held[]): Effect[] {
    const wanted = new Map(resumed.map((held) => [dispatchKey(held), held.output]));
    return [...this.#entries].flatMap(([key, { attempt, epoch, phase }]): Effect[] => {
      const output = wanted.get(key);
      if (output === undefined) return this.#drop(key);
      const resume: Effect = { type: "resume", key, output };
      // The frame that said so may have been lost with the last connection.
      return phase === "running"
        ? [{ type: "send", frame: { type: "started", attempt, epoch } }, resume]
        : [resume];
    });
  }

  #assign(assignment: Assignment): Effect[] {
    const { attempt, epoch, work } = assignment;
    const key = dispatchKey(assignment);
    if (this.#entries.has(key)) return [];
    const problem = this.#problem(assignment);
    if (problem !== null) {
      const reason = problem.slice(0, 2_000);
      return [{ type: "send", frame: { type: "rejected", attempt, epoch, reason } }];
    }
    const older = [...this.#entries]
      .filter(([, entry]) => entry.attempt === attempt)
      .flatMap(([each]) => this.#drop(each));
    const unavailable = this.#settings.unavailable(work.task_type);
    if (unavailable !== null || this.running >= this.#settings.slots) {
      const reason = unavailable ?? `All ${this.#settings.slots} slots are taken.`;
      return [
        ...older,
        {
          type: "send",
          frame: { type: "rejected", attempt, epoch, reason: reason.slice(0, 2_000) },
        },
      ];
    }
    this.#entries.set(key, { attempt, epoch, phase: "running" });
    this.#remember(attempt, epoch);
    return [
      ...older,
      { type: "start", key, assignment },
      { type: "send", frame: { type: "started", attempt, epoch } },
    ];
  }

  #problem({ attempt, epoch }: Assignment): string | null {
    if (this.#isDraining) return "The runner is about to end and takes nothing more.";
    const newest = this.#newest.get(attempt) ?? 0;
    if (epoch > newest) return null;
    return `Dispatch ${newest} of this attempt has been started here; ${epoch} is not newer.`;
  }

  #remember(attempt: string, epoch: number): void {
    this.#newest.delete(attempt);
    this.#newest.set(attempt, epoch);
    for (const oldest of this.#newest.keys()) {
      if (this.#newest.size <= MAX_REMEMBERED) break;
      this.#newest.delete(oldest);
    }
  }

  #drop(key: string): Effect[] {
    this.#entries.delete(key);
    return [{ type: "drop", key }];
  }

  #known(dispatched: Dispatched, react: (key: string, entry: Entry) => Effect[]): Effect[] {
    const key = dispatchKey(dispatched);
    const entry = this.#entries.get(key);
    return entry === undefined ? [] : react(key, entry);
  }
}
