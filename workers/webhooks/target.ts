/**
 * What the courier of a webhook delivers to: one request an event, in the order of each resource.
 *
 * An answer of 4xx refuses that event: its resource is parked until somebody redrives it. Everything
 * else that fails is taken for the endpoint's own trouble, in which nothing is lost and one resource
 * at a time finds out whether it is over; but of a resource that fails again though others came
 * through meanwhile, for its own, which the schedule of the Standard Webhooks specification is for.
 */
import { z } from "zod";
import type { OutboxMessage } from "../delivery/message.ts";
import { correlationOf } from "../delivery/neighbour.ts";
import type { Delivery, Memory, Outcome, Target } from "../delivery/target.ts";
import { ApiError } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import { timestamp } from "../http/schemas.ts";
import { eventsFor, type WebhookEvent, wants } from "./events.ts";
import type { WebhookRepository, WebhookRow } from "./repository.ts";
import { loggedOf, type Sender, type Sent } from "./sender.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** After the first attempt, which is made at once. */
export const RETRY_DELAYS_MS: readonly number[] = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];
/** A webhook through which nothing came for so long, though it was tried, is disabled. */
export const DISABLE_AFTER_MS = 72 * HOUR_MS;
/** Fewer than the connections that one invocation may hold at once on the network. */
const PARALLEL = 4;
/** A delivery begins no request after so long, so that its last one ends before it is given up. */
const BEGINS_WITHIN_MS = 40 * SECOND_MS;
const PATIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

const FAILING_SINCE = "failing_since";
const DELIVERED_AT = "delivered_at";
const numberSchema = z.number();
const idsSchema = z.array(z.string());

export interface WebhookTargetOptions {
  /** As it is when the courier begins; it is read again before each delivery. */
  readonly row: WebhookRow;
  readonly repository: Pick<WebhookRepository, "find" | "disable">;
  readonly sender: Pick<Sender, "send">;
  readonly disable_after_ms?: number;
  readonly retry_delays_ms?: readonly number[];
}

export class WebhookTarget implements Target {
  readonly parallel = PARALLEL;
  readonly retry_delays_ms: readonly number[];
  readonly #options: WebhookTargetOptions;
  #row: WebhookRow;

  constructor(options: WebhookTargetOptions) {
    this.#options = options;
    this.#row = options.row;
    this.retry_delays_ms = options.retry_delays_ms ?? RETRY_DELAYS_MS;
  }

  wants(message: OutboxMessage): boolean {
    return wants(this.#row, message);
  }

  entityOf({ resource_id }: OutboxMessage): string {
    return resource_id;
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    let row: WebhookRow | null;
    try {
      row = await this.#options.repository.find("*", this.#row.id);
    } catch (error) {
      logWarning("webhook_not_read", error, { webhook: this.#row.id });
      return failed(0, "The webhook's settings cannot be read now.", "target");
    }
    if (row === null) return { status: "closed", through: 0, error: "It is deleted." };
    if (!row.enabled) {
      return { status: "closed", through: 0, error: row.disabled_reason ?? "It is disabled." };
    }
    this.#row = row;
    return this.#deliver(row, delivery, signal);
  }

  async #deliver(row: WebhookRow, delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const { entity, messages, attempt, memory } = delivery;
    const ends = Date.now() + BEGINS_WITHIN_MS;
    const place = `sent:${entity}`;
    // Of a message that was cut off, what came through is not sent again; nor what two messages have.
    const sent = new Set(idsSchema.catch([]).parse(memory.get(place)));
    let through = 0;
    for (const message of messages) {
      const ofMessage = [...(through === 0 ? sent : [])];
      for (const event of eventsFor(row, message)) {
        if (sent.has(event.id)) continue;
        if (Date.now() > ends) return { status: "delivered", through };
        const result = await this.#send(row, event, message, signal);
        if (result instanceof ApiError) return failed(through, result.detail, "target");
        memory.log(...loggedOf(entity, event, attempt, result));
        if (result.error !== null) return this.#failed(row, delivery, result, through);
        sent.add(event.id);
        ofMessage.push(event.id);
        memory.set(place, ofMessage);
        cameThrough(memory, entity);
      }
      through = message.position;
    }
    memory.delete(place);
    return { status: "delivered", through };
  }

  async #send(row: WebhookRow, event: WebhookEvent, message: OutboxMessage, signal: AbortSignal) {
    try {
      return await this.#options.sender.send(row, event, correlationOf(message), signal);
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
  }

  async #failed(
    row: WebhookRow,
    { entity, memory }: Delivery,
    { status_code, error, retry_after_ms }: Sent,
    through: number,
  ): Promise<Outcome> {
    const now = Date.now();
    const why = error ?? "";
    const since = numberSchema.catch(now).parse(memory.get(FAILING_SINCE));
    memory.set(FAILING_SINCE, since);
    if (status_code === 410) {
      return this.#disable(row, "It answered 410: it is gone, and wants no more.", through);
    }
    if (now - since >= (this.#options.disable_after_ms ?? DISABLE_AFTER_MS)) {
      const reason = `Nothing has come through since ${timestamp(since)}. ${why}`;
      return this.#disable(row, reason, through);
    }
    if (isRefusal(status_code)) return failed(through, why, "entity", { is_final: true });
    // Who asks for patience speaks for the whole endpoint.
    if (status_code === 429) return failed(through, why, "target", { retry_after_ms });
    const scope = failsAlone(memory, entity, now) ? "entity" : "target";
    return failed(through, why, scope, { retry_after_ms });
  }

  async #disable(row: WebhookRow, reason: string, through: number): Promise<Outcome> {
    try {
      const isDisabled = await this.#options.repository.disable(row, reason, Date.now());
      if (isDisabled) return { status: "closed", through, error: reason };
    } catch (error) {
      logWarning("webhook_not_disabled", error, { webhook: row.id });
    }
    // Somebody has changed it meanwhile, or it could not be written down: it is tried as it is then.
    return failed(through, reason, "target");
  }
}

/** Whether others came through since the resource failed, which is noted. */
function failsAlone(memory: Memory, entity: string, now: number): boolean {
  const place = `failed:${entity}`;
  const before = numberSchema.safeParse(memory.get(place));
  if (!before.success) {
    memory.set(place, now);
    return false;
  }
  const delivered = numberSchema.safeParse(memory.get(DELIVERED_AT));
  return delivered.success && delivered.data >= before.data;
}

function cameThrough(memory: Memory, entity: string): void {
  memory.set(DELIVERED_AT, Date.now());
  memory.delete(FAILING_SINCE);
  memory.delete(`failed:${entity}`);
}

function isRefusal(status: number | null): boolean {
  return status !== null && status >= 400 && status < 500 && !PATIENT_STATUSES.has(status);
}

function failed(
  through: number,
  error: string,
  scope: "target" | "entity",
  { retry_after_ms = null, is_final = false }: Partial<Extract<Outcome, { status: "failed" }>> = {},
): Outcome {
  return { status: "failed", through, error, scope, retry_after_ms, is_final };
}
