/** One log and its object: what it keeps, and what a check of it finds. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { messageSchema } from "../delivery/message.ts";
import { Outbox } from "../delivery/outbox.ts";
import { logOf } from "../http/audit-record.ts";
import { isolate } from "../test/app.ts";
import { readAnchor } from "./anchor.ts";
import { AuditLog } from "./object.ts";
import { verificationSchema } from "./schemas.ts";
import { recordOf } from "./test-support.ts";

const ENTRIES = 10_000;
/** A check is to take far less CPU than the 30 s that an invocation has. */
const CHECK_LIMIT_MS = 10_000;

const { call } = isolate();
let project: string;
let count = 0;
beforeEach(() => {
  count += 1;
  project = `log-${count}`;
});

const stub = () => env.AUDIT_LOG.getByName(logOf(project));
const anchored = () => readAnchor(env.DB, logOf(project));

async function append(entries: number): Promise<void> {
  await runInDurableObject(stub(), (log) => {
    if (!(log instanceof AuditLog)) throw new Error("It is no audit log.");
    for (let number = 1; number <= entries; number += 1) log.append(recordOf(`id-${number}`));
  });
}

async function tamper(sql: string, ...parameters: (string | number)[]): Promise<void> {
  await runInDurableObject(stub(), (_, { storage }) => {
    expect(storage.sql.exec(sql, ...parameters).rowsWritten).toBeGreaterThan(0);
  });
}

async function verify(body: Record<string, unknown> = {}) {
  const reply = await call("/api/v1/audit/verify", { body: { project_id: project, ...body } });
  expect(reply.status, reply.text).toBe(200);
  return verificationSchema.parse(reply.body);
}

describe("ten thousand entries", () => {
  it("are verified, and one changed byte is found and named", async () => {
    await append(ENTRIES);
    const began = Date.now();
    const intact = await verify();
    expect(Date.now() - began).toBeLessThan(CHECK_LIMIT_MS);
    expect(intact).toMatchObject({ status: "intact", broken: null, head: { seq: ENTRIES } });
    await tamper(
      "UPDATE entries SET body = replace(body, 'builder', 'guilder') WHERE seq = ?",
      7_654,
    );
    expect(await verify()).toMatchObject({
      ...{ status: "broken", head: { seq: 7_653 }, next_cursor: null },
      broken: { seq: 7_654, fault: "changed" },
    });
  });
});

describe("a check", () => {
  it("names the first of what is found by other than it says, or by nothing", async () => {
    await append(5);
    expect(await verify()).toMatchObject({ status: "intact" });
    await tamper("UPDATE found SET outcome = 'denied' WHERE seq >= 4");
    expect((await verify()).broken).toMatchObject({ seq: 4, fault: "changed" });
    await tamper("DELETE FROM found WHERE seq = 2");
    expect((await verify()).broken).toMatchObject({ seq: 2, fault: "changed" });
  });

  it("notices entries that are gone from the middle", async () => {
    await append(5);
    await tamper("DELETE FROM entries WHERE seq = 2");
    expect((await verify()).broken).toMatchObject({ seq: 2, fault: "missing" });
  });

  it("notices by D1 that the newest entries are gone, and goes on to when others take their place", async () => {
    await append(5);
    await runDurableObjectAlarm(stub());
    expect(await anchored()).toMatchObject({ seq: 5 });
    const known = await anchored();
    await tamper("DELETE FROM entries WHERE seq > 3");
    await tamper("DELETE FROM found WHERE seq > 3");
    expect((await verify()).broken).toMatchObject({ seq: 4, fault: "missing" });
    // An object that begins anew numbers on from what is left.
    await runInDurableObject(stub(), (_, state) => state.abort("begin anew")).catch(
      () => undefined,
    );
    for (const id of ["a", "b", "c"]) await stub().append(recordOf(id));
    await runDurableObjectAlarm(stub());
    expect(await anchored()).toEqual(known);
    expect((await verify()).broken).toMatchObject({ seq: 5, fault: "rewritten" });
  });

  it("notices by what the caller remembers that all is written anew", async () => {
    await append(3);
    const { head } = await verify();
    const expected = { expect_seq: head.seq, expect_hash: head.hash };
    expect(await verify(expected)).toMatchObject({ status: "intact", head });
    expect(await verify({ ...expected, expect_hash: "0".repeat(64) })).toMatchObject({
      broken: { seq: 3, fault: "rewritten" },
    });
    expect(await verify({ ...expected, expect_seq: 9 })).toMatchObject({
      broken: { seq: 4, fault: "missing" },
    });
    const alone = await call("/api/v1/audit/verify", { body: { expect_seq: 1 } });
    expect([alone.status, alone.body.errors]).toMatchObject([422, [{ path: "expect_hash" }]]);
  });

  it("goes on from a cursor of its own log alone", async () => {
    await append(3);
    const [, , seq, hash] = [1, "", ...Object.values((await verify()).head)];
    const cursorOf = (log: string) =>
      Buffer.from(JSON.stringify([1, log, seq, hash])).toString("base64url");
    const later = await verify({ cursor: cursorOf(logOf(project)) });
    expect(later).toMatchObject({ status: "intact", head: { seq: 3 } });
    for (const cursor of ["no cursor", cursorOf(logOf("another"))]) {
      const reply = await call("/api/v1/audit/verify", { body: { project_id: project, cursor } });
      expect([reply.status, reply.body.errors]).toMatchObject([422, [{ path: "cursor" }]]);
    }
  });

  it("finds nothing in a log without entries", async () => {
    expect(await verify()).toMatchObject({ status: "intact", head: { seq: 0 } });
  });
});

describe("appends", () => {
  it("at the same time have numbers of their own, in one chain", async () => {
    const ids = Array.from({ length: 64 }, (_, index) => `id-${index}`);
    const numbers = await Promise.all(ids.map((id) => stub().append(recordOf(id))));
    expect([...numbers].sort((a, b) => a - b)).toEqual(ids.map((_, index) => index + 1));
    expect(await verify()).toMatchObject({ status: "intact", head: { seq: 64 } });
  });

  it("under the same id are one", async () => {
    expect(await stub().append(recordOf("same"))).toBe(1);
    expect(await stub().append(recordOf("other"))).toBe(2);
    expect(await stub().append(recordOf("same"))).toBe(1);
  });

  it("are told to couriers once, without what was sent and what was left", async () => {
    const position = await new Outbox(env.DB).newest();
    await append(3);
    await runDurableObjectAlarm(stub());
    await runDurableObjectAlarm(stub());
    const messages = z
      .array(messageSchema)
      .parse(await new Outbox(env.DB).after(position, 100))
      .filter(({ resource_id }) => resource_id === project);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatchObject({
      ...{ topic: "audit", project_id: project },
      events: [1, 2, 3].map((seq) => ({ seq, run: 0, type: "audit.recorded", data: { seq } })),
    });
    expect(Object.keys(messages[0]?.events[0]?.data ?? {})).not.toContain("after");
    await append(4);
    await runDurableObjectAlarm(stub());
    expect(await anchored()).toMatchObject({ seq: 4 });
  });
});
