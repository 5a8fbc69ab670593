/**
 * What the courier of IDEALZR delivers to: one evidence for each outcome of whatever says so.
 *
 * IDEALZR takes the same evidence twice, and moves the confidence twice. What was sent is remembered,
 * and where that is not known, since a delivery was cut off or failed, its list is looked through for
 * the tag of the run before anything is sent again.
 */
import { z } from "zod";
import type { OutboxEvent, OutboxMessage } from "../delivery/message.ts";
import { correlationOf, failureOf, Neighbour } from "../delivery/neighbour.ts";
import type { Outcome as Delivered, Delivery, Target } from "../delivery/target.ts";
import type { Json } from "../http/json.ts";
import { EVIDENCE_KINDS, type EvidenceKind, keyOf, type Subject, toEvidence } from "./mapping.ts";

export const IDEALZR = "IDEALZR";
export const EVIDENCE_PATH = "/api/v1/evidence";
const RETRY_DELAYS_MS = [1_000, 5_000, 30_000, 120_000, 600_000];
const PARALLEL = 4;
/** What ends runs, and sessions. */
const ENDS: ReadonlySet<string> = new Set([
  "run.completed",
  "run.failed",
  "run.cancelled",
  "session.terminated",
]);
const GONE = "resource.deleted";

export interface IdealzrOptions {
  readonly url: string;
  readonly public_url: string;
  /** What is there of a run, the newest for null; null for what is there no more. */
  subject(kind: EvidenceKind, id: string, run: number | null): Promise<Subject | null>;
}

const listSchema = z.array(z.object({ id: z.string(), tags: z.array(z.string()).catch([]) }));
const createdSchema = z.object({ id: z.string() });

export class IdealzrTarget implements Target {
  readonly parallel = PARALLEL;
  readonly retry_delays_ms = RETRY_DELAYS_MS;
  readonly #options: IdealzrOptions;
  readonly #neighbour: Neighbour;

  constructor(options: IdealzrOptions) {
    this.#options = options;
    this.#neighbour = new Neighbour({ url: options.url, name: IDEALZR });
  }

  wants({ topic, events }: OutboxMessage): boolean {
    return kindOf(topic) !== null && events.some(({ type }) => ENDS.has(type) || type === GONE);
  }

  entityOf({ resource_id }: OutboxMessage): string {
    return resource_id;
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<Delivered> {
    let through = 0;
    try {
      for (const message of delivery.messages) {
        for (const event of message.events) await this.#tell(event, message, delivery, signal);
        through = message.position;
      }
      return { status: "delivered", through };
    } catch (error) {
      return failureOf(error, through);
    }
  }

  async #tell(
    { type, run }: OutboxEvent,
    message: OutboxMessage,
    delivery: Delivery,
    signal: AbortSignal,
  ): Promise<void> {
    const { memory, entity } = delivery;
    const kind = kindOf(message.topic);
    if (type === GONE) for (const key of memory.keys(`sent:${entity}:`)) memory.delete(key);
    const place = `sent:${entity}:${run}`;
    if (kind === null || !ENDS.has(type) || memory.get(place) !== undefined) return;
    const subject = await this.#options.subject(kind, entity, run === 0 ? null : run);
    if (subject === null || subject.outcome === null) return;
    const body = toEvidence(subject, subject.outcome, this.#options.public_url);
    if (body === null) return;
    const began = Date.now();
    const isUnsure = delivery.is_repeated || delivery.attempt > 1;
    const known = isUnsure ? await this.#find(subject, message, signal) : null;
    const id = known ?? (await this.#create(body, message, signal));
    memory.set(place, id);
    memory.log({
      ...{ entity, id: keyOf(subject), attempt: delivery.attempt, outcome: "delivered" },
      type: known === null ? "evidence.created" : "evidence.found",
      status_code: known === null ? 201 : 200,
      ...{ duration_ms: Date.now() - began, error: null },
    });
  }

  async #create(body: Json, message: OutboxMessage, signal: AbortSignal): Promise<string> {
    const headers = correlationOf(message);
    const call = { method: "POST", path: EVIDENCE_PATH, body, headers, signal } as const;
    return (await this.#neighbour.read(call, createdSchema)).id;
  }

  /** The id of the evidence that a run has already; null for none. */
  async #find(
    subject: Subject,
    message: OutboxMessage,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { project_id, evidence } = subject;
    const hypothesis = evidence?.hypothesis_id ?? null;
    const query = new URLSearchParams({
      project_id,
      ...(hypothesis !== null && { hypothesis_id: hypothesis }),
    });
    const path = `${EVIDENCE_PATH}?${query}`;
    const headers = correlationOf(message);
    const list = await this.#neighbour.read({ method: "GET", path, headers, signal }, listSchema);
    const tag = keyOf(subject);
    return list.find(({ tags }) => tags.includes(tag))?.id ?? null;
  }
}

function kindOf(topic: string): EvidenceKind | null {
  return EVIDENCE_KINDS.find((kind) => kind === topic) ?? null;
}
