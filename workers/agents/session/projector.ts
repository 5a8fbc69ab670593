/**
 * Carries the session to D1, where lists are served from, and to the neighbours what happened to it.
 * What is there is written down when it is there, so that after a crash the rest follows.
 */
import { projectPart } from "../../runs/address.ts";
import { isAtRest, nextDeadline } from "../machine/machine.ts";
import type { SessionEventRow } from "../session-port.ts";
import type { SessionEngine } from "./engine.ts";
import { AGENT_KIND, row } from "./row.ts";
import { snapshotOf } from "./snapshot.ts";

const GATHER_MS = 20;
const RETRY_MS = 1_500;

/** What neighbours are told of; the rest is the session's own detail. */
const OUTBOX_EVENTS = [
  "session.created",
  "session.ready",
  "session.failed",
  "session.paused",
  "session.resumed",
  "session.terminated",
  "turn.started",
  "turn.ended",
  "tool.approval_requested",
  "budget.reached",
];

export class Projector {
  readonly #engine: SessionEngine;
  readonly #env: Env;
  /** Seq that is in D1; null while it is not known. */
  #projected: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushing: Promise<void> | null = null;
  #isRemoved = false;

  constructor(engine: SessionEngine, env: Env) {
    this.#engine = engine;
    this.#env = env;
  }

  get isBehind(): boolean {
    if (this.#isRemoved || !this.#engine.isLoaded) return false;
    return this.#engine.progress.changed_seq > this.#done();
  }

  /** When a crash now would have to be made good; null when nothing is behind. */
  dueAt(): number | null {
    return this.isBehind ? Date.now() + RETRY_MS : null;
  }

  schedule(delayMs = GATHER_MS): void {
    if (!this.isBehind) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, delayMs);
  }

  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
      this.#engine.arm();
    });
    return this.#flushing;
  }

  /** Takes the row away; throws when it could not be, and is to be called again then. */
  async remove(): Promise<void> {
    // What is on its way, or about to be, would bring the row back.
    this.#isRemoved = true;
    await this.#flushing;
    const { id, project_id } = this.#engine.head;
    const event = { seq: 0, run: 0, at: Date.now(), type: "resource.deleted", data: {} };
    await this.#env.PROJECTION.getByName(projectPart(id)).project({
      rows: {},
      deleted: { [AGENT_KIND]: [JSON.stringify(id)] },
      messages: [
        JSON.stringify({
          ...{ id: `${id}:deleted`, topic: AGENT_KIND, project_id, resource_id: id, trace: null },
          ...{ payload: JSON.stringify([event]), created_at: event.at },
        }),
      ],
    });
  }

  async #flush(): Promise<void> {
    if (!this.isBehind) return;
    const { head, progress, store } = this.#engine;
    const upTo = progress.changed_seq;
    const events = store.log.ofTypes(this.#done(), OUTBOX_EVENTS);
    const text = JSON.stringify(row(snapshotOf(this.#engine), this.#wakeAt()));
    try {
      await this.#env.PROJECTION.getByName(projectPart(head.id)).project({
        rows: { [AGENT_KIND]: [text] },
        deleted: {},
        messages: events.length === 0 ? [] : [this.#message(events)],
      });
    } catch (error) {
      console.error(JSON.stringify({ event: "projection_failed", message: String(error) }));
      return;
    }
    this.#projected = upTo;
    this.#engine.commit(() => store.documents.set("projected", upTo));
    if (this.isBehind) this.schedule();
  }

  #done(): number {
    this.#projected ??= this.#engine.store.documents.get("projected") ?? 0;
    return this.#projected;
  }

  /** Of one at work its last change; of one at rest its next deadline. */
  #wakeAt(): number | null {
    const { state, progress } = this.#engine;
    return isAtRest(state) ? nextDeadline(state, Date.now()) : progress.updated_at;
  }

  /** Of the request that the newest turn goes back to, as JSON text. */
  #trace(): string | null {
    const { head, state, store } = this.#engine;
    const turn = state.turns === 0 ? null : store.turns.get(state.turns);
    const caller = turn && store.messages.callerOf(turn.input_id);
    const trace = caller?.trace ?? head.caller.trace ?? null;
    return trace && JSON.stringify(trace);
  }

  /** One outbox row; repeated after a crash it may repeat events, which their seq tells apart. */
  #message(events: readonly SessionEventRow[]): string {
    const { id, project_id } = this.#engine.head;
    const last = events.at(-1);
    const payload = events.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) }));
    return JSON.stringify({
      id: `${id}:${last?.seq ?? 0}`,
      topic: AGENT_KIND,
      project_id,
      resource_id: id,
      payload: JSON.stringify(payload),
      trace: this.#trace(),
      created_at: last?.at ?? Date.now(),
    });
  }
}
