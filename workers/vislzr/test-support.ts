/** For tests inside workerd: the fake VISLZR, and the real courier with what is delivered to it. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject } from "vitest";
import { Fake } from "../commandcentral/test-support.ts";
import { Courier } from "../delivery/courier.ts";
import { Outbox } from "../delivery/outbox.ts";
import { CourierTables } from "../delivery/tables.ts";
import type { Target } from "../delivery/target.ts";
import { courierOf } from "../delivery/test-support.ts";
import { graphSourceOf } from "../subjects.ts";
import { isolate } from "../test/app.ts";
import { Ledger } from "./ledger.ts";
import { type VislzrOptions, VislzrTarget } from "./target.ts";
import { type Outline, shownOutline, shownSchema, wantedOutline } from "./test-support-graph.ts";

export const vislzr = new Fake(inject("fakePlatform").vislzr);
export const { call } = isolate();
const PUBLIC_URL = "https://pipelzr.test";

export interface Bench {
  readonly tables: CourierTables;
  /** Takes in what is new, and delivers what is due, after a failure too. */
  round(): Promise<void>;
  /** The time comes to look for what was sent and not answered. */
  late(entity: string): void;
  /** Loses all that it knows; what is in the outbox comes again. */
  forget(): void;
  /** Rounds until VISLZR has exactly what it is to have of a pipeline. */
  untilExact(pipeline: string): Promise<Outline>;
}

/** Runs `test` with a courier of its own, from the newest message on. */
export async function onBench(
  test: (bench: Bench) => Promise<void>,
  options: Partial<VislzrOptions> = {},
): Promise<void> {
  const outbox = new Outbox(env.DB);
  const from = await outbox.newest();
  await runInDurableObject(courierOf(crypto.randomUUID()), async (_, { storage }) => {
    const tables = new CourierTables(storage.sql);
    const round = async () => {
      tables.change({ next_try_at: 0 });
      // Each round is one of a courier that has just been started, and waits for nothing.
      const real = new VislzrTarget({
        ...{ url: vislzr.url, public_url: PUBLIC_URL, source: graphSourceOf(env), ...options },
      });
      const target: Target = {
        ...{ parallel: real.parallel, retry_delays_ms: real.retry_delays_ms.map(() => 0) },
        wants: (message) => real.wants(message),
        entityOf: (message) => real.entityOf(message),
        deliver: (delivery, signal) => real.deliver(delivery, signal),
      };
      await new Courier(storage, tables, { name: "vislzr", outbox, target, from }).round();
      // The object's own courier has nothing to do with it.
      await storage.deleteAlarm();
    };
    const untilExact = async (pipeline: string) => {
      const wanted = await wantedOutline(async (path) => (await call(path)).body, pipeline);
      await expect
        .poll(async () => {
          await round();
          return shownOutline(await vislzr.control("GET", "/__graph"), pipeline);
        })
        .toEqual(wanted);
      return wanted;
    };
    const forget = () => {
      for (const key of tables.keys("")) tables.delete(key);
      tables.change({ cursor: from });
    };
    const late = (entity: string) => {
      const ledger = new Ledger(tables, entity);
      const record = ledger.record();
      if (!record?.late) throw new Error(`nothing of ${entity} is late`);
      ledger.save({ ...record, late: { ...record.late, at: 0 } });
      tables.settle(entity, 0);
    };
    await test({ tables, round, untilExact, forget, late });
  });
}

/** What VISLZR has under an external id; undefined for nothing. */
export async function shown(externalId: string) {
  const { nodes } = shownSchema.parse(await vislzr.control("GET", "/__graph"));
  return nodes.find(({ external_id }) => external_id === externalId);
}

export async function create(tasks: readonly object[], more: object = {}): Promise<string> {
  const body = { name: "graph", tasks, max_parallel: 100, ...more };
  const made = await call("/api/v1/pipelines", { body });
  expect(made.status, made.text).toBe(201);
  return String(made.body.id);
}

export async function execute(id: string): Promise<void> {
  const { status, text } = await call(`/api/v1/pipelines/${id}/execute`, { method: "POST" });
  expect(status, text).toBe(200);
}
