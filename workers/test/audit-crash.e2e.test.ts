/**
 * The audit log of a service that is killed with SIGKILL while calls are underway. CHAOS_AUDIT_KILLS
 * says how often.
 */
import { randomUUID } from "node:crypto";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { auditEntrySchema, verificationSchema } from "../audit/schemas.ts";
import { TestService } from "./service.ts";

const KILLS = Number(process.env.CHAOS_AUDIT_KILLS || 2);
/** Clients that call at the same time, and calls that are answered before each kill. */
const CLIENTS = 64;
const ANSWERED = 100;
const TEST_TIMEOUT_MS = 60_000 + KILLS * 20_000;

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service.stop());

/** Creates tasks until the runtime is gone; adds the request ids of those that were acknowledged. */
async function callUntilKilled(acknowledged: Set<string>, kill: () => void): Promise<void> {
  let isAlive = true;
  const client = async () => {
    while (isAlive) {
      const id = randomUUID();
      const headers = { "x-request-id": id };
      const json = { name: "t", command: "true" };
      const status = await service
        .fetch("/api/v1/tasks", { json, headers })
        .then(async (reply) => {
          await reply.arrayBuffer();
          return reply.status;
        })
        .catch(() => null);
      if (status === 201) acknowledged.add(id);
      else if (status === null) isAlive = false;
      if (isAlive && acknowledged.size >= before + ANSWERED) {
        isAlive = false;
        kill();
      }
    }
  };
  const before = acknowledged.size;
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

test(
  "what was acknowledged has an entry, however the process ends",
  async () => {
    const acknowledged = new Set<string>();
    for (let round = 0; round < KILLS; round += 1) {
      let recovered: Promise<number> | null = null;
      await callUntilKilled(acknowledged, () => {
        recovered = service.killAndRecover();
      });
      expect(recovered, service.output).not.toBeNull();
      await recovered;
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(KILLS * ANSWERED);
    const exported = await (await service.fetch("/api/v1/audit/export")).text();
    const entries = exported
      .trim()
      .split("\n")
      .map((line) => auditEntrySchema.parse(JSON.parse(line)));
    const written = new Set(
      entries.filter(({ outcome }) => outcome === "success").map(({ request_id }) => request_id),
    );
    expect([...acknowledged].filter((id) => !written.has(id))).toEqual([]);
    expect(new Set(entries.map(({ request_id }) => request_id)).size).toBe(entries.length);
    const checked = await service.fetch("/api/v1/audit/verify", { json: {} });
    const verification = verificationSchema.parse(z.unknown().parse(await checked.json()));
    expect(verification).toMatchObject({ status: "intact", head: { seq: entries.length } });
  },
  TEST_TIMEOUT_MS,
);
