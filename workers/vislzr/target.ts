/**
 * What the courier of VISLZR delivers to: pipelines with their runs and steps, standalone tasks and
 * agents, as nodes and relationships. Messages say what to look at; what is told is what stands there
 * now, so that many of them come to one call.
 */

import type { OutboxMessage } from "../delivery/message.ts";
import { correlationOf, failureOf, Neighbour } from "../delivery/neighbour.ts";
import type { Delivery, Outcome, Target } from "../delivery/target.ts";
import { VislzrClient } from "./client.ts";
import { runGraph } from "./graph.ts";
import { type EntityRecord, Ledger } from "./ledger.ts";
import { agentNode, containerOfAgent, pipelineNode, taskNode } from "./nodes.ts";
import { heard, lookAfterMs, patienceOf } from "./record.ts";
import { removeAll } from "./removal.ts";
import { adopt, contain, writeRun } from "./runs.ts";
import type { GraphSource } from "./source.ts";
import { OutOfTime, Writer } from "./writer.ts";

const VISLZR = "VISLZR";
const RETRY_DELAYS_MS = [1_000, 5_000, 30_000, 120_000, 600_000];
const PARALLEL = 4;
/** A call that makes 500 nodes takes its time. */
const CALL_MS = 20_000;
/** A delivery begins nothing new after so long. */
const DELIVERY_MS = 30_000;
/** What was sent and not answered has taken effect by then, or never will. */
const LATE_MS = 60_000;
const KINDS: ReadonlySet<string> = new Set(["pipeline", "task", "agent"]);

export interface VislzrOptions {
  readonly url: string;
  readonly public_url: string;
  readonly source: GraphSource;
  /** When what was sent and not answered is looked for once more; a minute unless said. */
  readonly late_ms?: number;
  /** The longest that a call may take; 20 seconds unless said. */
  readonly call_ms?: number;
}

export class VislzrTarget implements Target {
  readonly parallel = PARALLEL;
  readonly retry_delays_ms = RETRY_DELAYS_MS;
  readonly #options: VislzrOptions;
  readonly #neighbour: Neighbour;

  constructor(options: VislzrOptions) {
    this.#options = options;
    const { url, call_ms: timeout_ms = CALL_MS } = options;
    this.#neighbour = new Neighbour({ url, name: VISLZR, timeout_ms });
  }

  wants({ topic }: OutboxMessage): boolean {
    return KINDS.has(topic);
  }

  entityOf({ resource_id }: OutboxMessage): string {
    return resource_id;
  }

  async deliver({ entity, messages, memory }: Delivery, signal: AbortSignal): Promise<Outcome> {
    const now = Date.now();
    const ledger = new Ledger(memory, entity);
    const through = messages.at(-1)?.position ?? 0;
    const record = heard(ledger.record(), messages, (run) => ledger.wasTold(run), now);
    if (record === null) return { status: "delivered", through };
    ledger.save(record);
    const patience = patienceOf(record, messages, now);
    if (patience > 0) return { status: "delivered", through, again_ms: patience };
    const writer = new Writer({
      client: new VislzrClient(this.#neighbour, headersOf(record, entity), signal),
      ledger,
      ends_at: now + DELIVERY_MS,
      late_ms: this.#options.late_ms ?? LATE_MS,
      checked: isLate(record, now) ? new Set(record.late?.parts) : NOTHING,
    });
    try {
      const again_ms = await this.#tell(writer, record, now);
      return { status: "delivered", through, ...(again_ms !== null && { again_ms }) };
    } catch (error) {
      if (error instanceof OutOfTime) return { status: "delivered", through: 0, again_ms: 0 };
      return failureOf(error);
    }
  }

  /** Tells how it stands; returns when it is to be looked at again, null for not by itself. */
  async #tell(writer: Writer, record: EntityRecord, now: number): Promise<number | null> {
    const runs = record.is_gone ? null : await this.#show(writer, record, now);
    if (runs === null) return this.#remove(writer, record, now);
    const { ledger } = writer;
    const late = leftLate(ledger.record(), record, now);
    if (runs.length === 0 && late === null) {
      ledger.forgetRecord();
      return null;
    }
    const looks = runs.length === 0 ? 0 : record.looks + 1;
    const live_since = runs.length === 0 ? null : record.live_since;
    ledger.save({ ...record, ...{ runs: [...runs], looks, live_since, late } });
    const times = [
      ...(runs.length === 0 ? [] : [lookAfterMs(looks)]),
      ...(late === null ? [] : [Math.max(0, late.at - now)]),
    ];
    return Math.min(...times);
  }

  /** Returns the runs that go on; null when the resource is not there any more. */
  async #show(
    writer: Writer,
    record: EntityRecord,
    now: number,
  ): Promise<readonly number[] | null> {
    const { source, public_url } = this.#options;
    const { entity } = writer.ledger;
    if (record.kind === "task") {
      const task = await source.task(entity);
      if (task === null) return null;
      await writer.node(taskNode(task, public_url));
      return [];
    }
    if (record.kind === "agent") {
      const agent = await source.agent(entity);
      if (agent === null) return null;
      await writer.node(agentNode(agent, public_url));
      await contain(writer, containerOfAgent(agent), entity);
      await adopt(writer, entity);
      return [];
    }
    const pipeline = await source.pipeline(entity);
    if (pipeline === null) return null;
    await writer.node(pipelineNode(pipeline, public_url));
    const checked = isLate(record, now) ? (record.late?.runs ?? []) : [];
    const live: number[] = [];
    for (const run of new Set([...record.runs, ...checked])) {
      if (await this.#showRun(writer, run)) live.push(run);
    }
    return live;
  }

  /** Whether the run goes on. */
  async #showRun(writer: Writer, run: number): Promise<boolean> {
    const { source, public_url } = this.#options;
    const { ledger } = writer;
    const inspection = await source.run(ledger.entity, run);
    if (inspection === null) return false;
    const graph = runGraph(inspection, public_url);
    await writeRun(writer, ledger.entity, graph);
    if (graph.is_over) ledger.told(run);
    return !graph.is_over;
  }

  /** Takes away what there is of it, and looks once more for what may come late. */
  async #remove(writer: Writer, record: EntityRecord, now: number): Promise<number | null> {
    const { ledger, client } = writer;
    const { entity } = ledger;
    ledger.save({ ...record, is_gone: true });
    const isUnknown = ledger.node(entity) === null;
    const isUnsure = record.late !== null || ledger.hasSent();
    const isThorough = isUnsure || (isUnknown && (await client.find(entity)) !== null);
    await removeAll(writer, isThorough);
    ledger.forgetAll();
    if (!isUnsure || isLate(record, now)) return null;
    const again_ms = this.#options.late_ms ?? LATE_MS;
    const late = { at: now + again_ms, runs: [], parts: [] };
    ledger.save({ ...record, is_gone: true, runs: [], live_since: null, late });
    return again_ms;
  }
}

const NOTHING: ReadonlySet<string> = new Set();

function headersOf({ trace }: EntityRecord, resource_id: string) {
  return correlationOf({ trace, resource_id });
}

function isLate({ late }: EntityRecord, now: number): boolean {
  return late !== null && late.at <= now;
}

/** What is still to be looked for after a delivery that began with `before`. */
function leftLate(after: EntityRecord | null, before: EntityRecord, now: number) {
  const late = after?.late ?? null;
  return isLate(before, now) && late?.at === before.late?.at ? null : late;
}
