/**
 * What the courier of CommandCentral delivers to: the state tracker, and a path that takes entries of
 * the audit log, each where it is configured.
 *
 * CommandCentral itself has no such path: where one answers that it is not there, its entity is parked
 * and no further entry is taken for it until somebody redrives it. What the tracker denies is noted
 * and never told again.
 */
import { z } from "zod";
import type { OutboxMessage } from "../delivery/message.ts";
import { correlationOf, failureOf, Neighbour, NeighbourFailed } from "../delivery/neighbour.ts";
import type { Delivery, Memory, Outcome, Target } from "../delivery/target.ts";
import type { Json } from "../http/json.ts";
import { toAuditEntry } from "./audit-entries.ts";
import { COMMANDCENTRAL } from "./client.ts";
import { isTracked, statesIn } from "./tracker.ts";

const RETRY_DELAYS_MS = [1_000, 5_000, 30_000, 120_000, 600_000];
const PARALLEL = 4;
const AUDIT = "audit";
const SERVICE = "pipelzr";
/** Set while the path for entries is not there. */
const REFUSED = "audit:refused";
const MISSING: ReadonlySet<number> = new Set([404, 405]);
/** Answers about one call that another try would not change, whatever it is called with. */
const DENIALS: ReadonlySet<number> = new Set([400, 404, 409, 422]);
const TRACKER = "/api/v1/state-machine";

export interface CommandCentralOptions {
  readonly url: string;
  readonly token: string | null;
  /** Null for none. */
  readonly audit_path: string | null;
  readonly tracks_states: boolean;
}

const transitionSchema = z.object({ success: z.boolean(), message: z.string().default("") });

export class CommandCentralTarget implements Target {
  readonly parallel = PARALLEL;
  readonly retry_delays_ms = RETRY_DELAYS_MS;
  readonly #options: CommandCentralOptions;
  readonly #neighbour: Neighbour;

  constructor(options: CommandCentralOptions) {
    this.#options = options;
    const { url, token } = options;
    const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
    this.#neighbour = new Neighbour({ url, name: COMMANDCENTRAL, headers });
  }

  wants(message: OutboxMessage, memory: Memory): boolean {
    const { audit_path, tracks_states } = this.#options;
    if (message.topic !== AUDIT) return tracks_states && isTracked(message);
    return audit_path !== null && memory.get(REFUSED) !== audit_path;
  }

  entityOf({ topic, resource_id }: OutboxMessage): string {
    return topic === AUDIT ? AUDIT : resource_id;
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    if (this.#options.token === null) {
      const error = "COMMANDCENTRAL_TOKEN is not set: CommandCentral takes nothing without one.";
      return { ...FAILED, error, scope: "target" };
    }
    let through = 0;
    try {
      for (const message of delivery.messages) {
        if (message.topic === AUDIT) await this.#audit(message, delivery.memory, signal);
        else await this.#track(message, delivery, signal);
        through = message.position;
      }
      return { status: "delivered", through };
    } catch (error) {
      if (!(error instanceof NoAuditPath)) return failureOf(error, through);
      return { ...FAILED, through, error: error.message, scope: "entity", is_final: true };
    }
  }

  async #audit(message: OutboxMessage, memory: Memory, signal: AbortSignal): Promise<void> {
    const path = this.#options.audit_path;
    if (path === null) return;
    const place = `audit:seq:${message.resource_id}`;
    const told = z.number().catch(0).parse(memory.get(place));
    for (const event of message.events) {
      if (event.seq <= told) continue;
      const body = toAuditEntry(event, message);
      const status = await this.#post(path, body, message, signal).catch((error: unknown) => {
        if (error instanceof NeighbourFailed && error.status === 405) return error.status;
        throw error;
      });
      if (MISSING.has(status)) {
        memory.set(REFUSED, path);
        throw new NoAuditPath(path, status);
      }
      memory.delete(REFUSED);
      memory.set(place, event.seq);
    }
  }

  async #track(message: OutboxMessage, delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { memory, entity } = delivery;
    const place = `state:${entity}`;
    for (const state of statesIn(message)) {
      const known = memory.get(place);
      if (known === state) continue;
      if (state === null) {
        memory.delete(place);
        continue;
      }
      const began = Date.now();
      const isNew = known === undefined;
      const denied = isNew
        ? await this.#register(message, state, signal)
        : await this.#move(message, state, signal);
      memory.set(place, state);
      memory.log({
        entity,
        id: `${message.id}:${state}`,
        type: isNew ? "entity.registered" : "entity.transitioned",
        attempt: delivery.attempt,
        outcome: denied === null ? "delivered" : "failed",
        status_code: denied?.status ?? 200,
        duration_ms: Date.now() - began,
        error: denied?.reason ?? null,
      });
    }
  }

  /** Why it was denied; null when it was not. One that is registered already is moved. */
  async #register(message: OutboxMessage, state: string, signal: AbortSignal) {
    const { topic, resource_id, project_id } = message;
    const body = {
      ...{ service: SERVICE, entity_type: topic, entity_id: resource_id },
      ...{ initial_state: state, project_id },
    };
    const denied = await orDenied(() =>
      this.#post(`${TRACKER}/entities/register`, body, message, signal),
    );
    const isKnown = denied?.status === 400 && /already registered/i.test(denied.reason);
    return isKnown ? null : denied;
  }

  async #move(message: OutboxMessage, state: string, signal: AbortSignal) {
    const { topic: entity_type, resource_id: entity_id } = message;
    const query = new URLSearchParams({ service: SERVICE, entity_type, entity_id });
    const path = `${TRACKER}/transitions/execute?${query}`;
    const headers = correlationOf(message);
    let answered: unknown = null;
    const denied = await orDenied(async () => {
      const body = { to_state: state };
      const { body: answer, status } = await this.#neighbour.call({
        ...{ method: "POST", path, body, headers, signal },
      });
      answered = answer;
      return status;
    });
    if (denied !== null) return denied;
    const { success, message: reason } = transitionSchema
      .catch({ success: false, message: "It answered in another shape than it documents." })
      .parse(answered);
    return success ? null : { status: 200, reason };
  }

  async #post(path: string, body: Json, message: OutboxMessage, signal: AbortSignal) {
    const headers = correlationOf(message);
    const call = { method: "POST", path, body, headers, signal } as const;
    return (await this.#neighbour.call(call)).status;
  }
}

const FAILED = { status: "failed", through: 0, retry_after_ms: null, is_final: false } as const;

class NoAuditPath extends Error {
  constructor(path: string, status: number) {
    super(
      `${COMMANDCENTRAL} answered POST ${path} with ${status}: it takes no entries of the audit log there, and is told of none from now on. Set COMMANDCENTRAL_AUDIT_PATH to one that does, or to nothing; redrive to try again.`,
    );
  }
}

interface Denied {
  readonly status: number;
  readonly reason: string;
}

/** Null when the call was answered; throws for what another try may change. */
async function orDenied(call: () => Promise<number>): Promise<Denied | null> {
  try {
    const status = await call();
    return status === 404 ? { status, reason: "It knows no such thing." } : null;
  } catch (error) {
    const status = error instanceof NeighbourFailed ? error.status : null;
    if (!(error instanceof NeighbourFailed) || status === null || !DENIALS.has(status)) throw error;
    return { status, reason: error.message };
  }
}
