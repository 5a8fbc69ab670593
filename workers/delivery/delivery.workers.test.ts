/** Couriers: in order for each entity, past what fails, and through every death. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { Random } from "../test/random.ts";
import { Outbox } from "./outbox.ts";
import {
  allDone,
  courierOf,
  crash,
  event,
  failed,
  RETRY_DELAYS_MS,
  scriptTarget,
  write,
} from "./test-support.ts";

let courier = "";
let names = 0;
/** A courier, and a topic, of the test's own. */
const name = () => {
  names += 1;
  courier = `scripted-${names}`;
  return courier;
};
const status = async (of: string) => await courierOf(of).status();
const alarmOf = (of: string) =>
  runInDurableObject(courierOf(of), (_, { storage }) => storage.getAlarm());

describe("a courier", () => {
  it("delivers what of the outbox is its own, in the order of each entity", async () => {
    const topic = name();
    const delivered: string[] = [];
    scriptTarget(topic, (delivery) => {
      for (const { resource_id, events } of delivery.messages) {
        delivered.push(...events.map(({ seq }) => `${resource_id}:${seq}`));
      }
      return allDone(delivery);
    });
    const entities = ["a", "b", "c"];
    await write("another", [{ resource_id: "a" }]);
    for (let seq = 1; seq <= 4; seq += 1) {
      await write(
        topic,
        entities.map((resource_id) => ({ resource_id, events: [event(seq)] })),
      );
    }
    await courierOf(topic).wake();
    await expect.poll(() => delivered.length).toBe(12);
    for (const entity of entities) {
      const seqs = delivered.filter((each) => each.startsWith(entity));
      expect(seqs).toEqual([1, 2, 3, 4].map((seq) => `${entity}:${seq}`));
    }
    await expect.poll(() => status(topic)).toMatchObject({ pending: 0, failures: 0, error: null });
  });

  it("is at rest without an alarm when there is nothing to do", async () => {
    const topic = name();
    await write(topic, [{}]);
    await courierOf(topic).wake();
    await expect.poll(() => status(topic)).toMatchObject({ pending: 0, delivered: 1 });
    // The last one tells how far it is.
    await expect.poll(() => alarmOf(topic)).toBeNull();
  });

  it("tries again what failed, and parks what fails too often, past which the others go", async () => {
    const topic = name();
    const tries: number[] = [];
    let isMended = false;
    scriptTarget(topic, (delivery) => {
      if (delivery.entity !== "bad" || isMended) return allDone(delivery);
      tries.push(delivery.attempt);
      return failed("entity");
    });
    await write(topic, [{ resource_id: "bad" }, { resource_id: "good" }]);
    await courierOf(topic).wake();
    await expect.poll(() => status(topic)).toMatchObject({ parked: 1, pending: 1, delivered: 1 });
    expect(tries).toEqual([1, ...RETRY_DELAYS_MS.map((_, index) => index + 2)]);
    await write(topic, [{ resource_id: "bad", events: [event(2)] }]);
    await courierOf(topic).wake();
    await expect.poll(() => status(topic)).toMatchObject({ parked: 1, pending: 2 });
    expect(await courierOf(topic).parked(["other"], 0, 10)).toEqual([]);
    expect(await courierOf(topic).parked("*", 0, 10)).toMatchObject([
      { entity: "bad", messages: 2, error: "It failed.", tries: 4 },
    ]);
    expect(await courierOf(topic).redrive(["other"], null)).toBe(0);
    isMended = true;
    expect(await courierOf(topic).redrive(["default"], ["bad"])).toBe(1);
    await expect.poll(() => status(topic)).toMatchObject({ parked: 0, pending: 0 });
  });

  it("parks at once what is refused for good", async () => {
    const topic = name();
    let tries = 0;
    scriptTarget(topic, () => {
      tries += 1;
      return failed("entity", { is_final: true });
    });
    await write(topic, [{}]);
    await courierOf(topic).wake();
    await expect.poll(() => status(topic)).toMatchObject({ parked: 1 });
    expect(tries).toBe(1);
  });

  it("loses nothing of a target that is down, and asks it with one entity at a time", async () => {
    const topic = name();
    let isDown = true;
    let at_once = 0;
    let most = 0;
    const delivered = new Set<string>();
    scriptTarget(topic, async (delivery) => {
      at_once += 1;
      if (isDown && delivery.failing_ms > 0) most = Math.max(most, at_once);
      await scheduler.wait(2);
      at_once -= 1;
      if (isDown) return failed("target", { retry_after_ms: 10 });
      delivered.add(delivery.entity);
      return allDone(delivery);
    });
    const entities = Array.from({ length: 30 }, (_, index) => `e${index}`);
    await write(
      topic,
      entities.map((resource_id) => ({ resource_id })),
    );
    await courierOf(topic).wake();
    await expect.poll(async () => (await status(topic)).failures).toBeGreaterThan(3);
    expect(await status(topic)).toMatchObject({ pending: 30, parked: 0, error: "It failed." });
    expect(most).toBe(1);
    isDown = false;
    await expect.poll(() => status(topic)).toMatchObject({ pending: 0, failures: 0, parked: 0 });
    expect(delivered.size).toBe(30);
  });

  it("stops at a target that is closed, and goes on when it is opened", async () => {
    const topic = name();
    let isClosed = true;
    scriptTarget(topic, (delivery) =>
      isClosed ? { status: "closed", through: 0, error: "Enough." } : allDone(delivery),
    );
    await write(topic, [{ resource_id: "a" }, { resource_id: "b" }]);
    await courierOf(topic).wake();
    await expect.poll(() => status(topic)).toMatchObject({ closed: "Enough.", pending: 2 });
    isClosed = false;
    await courierOf(topic).reopen();
    await expect.poll(() => status(topic)).toMatchObject({ closed: null, pending: 0 });
  });

  it("looks again at an entity that asks for it", async () => {
    const topic = name();
    const looks: number[] = [];
    scriptTarget(topic, (delivery) => {
      looks.push(delivery.messages.length);
      return { ...allDone(delivery), ...(looks.length < 3 && { again_ms: 10 }) };
    });
    await write(topic, [{}]);
    await courierOf(topic).wake();
    await expect.poll(() => looks).toEqual([1, 0, 0]);
    await expect.poll(() => alarmOf(topic)).toBeNull();
  });

  it("delivers all, in order, whenever it dies", async () => {
    const topic = name();
    const random = new Random(11);
    const delivered = new Map<string, number[]>();
    scriptTarget(topic, async (delivery) => {
      const { entity, messages } = delivery;
      const seen = delivered.get(entity) ?? [];
      delivered.set(entity, seen);
      for (const { events } of messages) {
        for (const { seq } of events) seen.push(seq);
        await scheduler.wait(1);
        if (random.next() < 0.05) return failed("entity", { retry_after_ms: 5 });
        if (random.next() < 0.02) return failed("target", { retry_after_ms: 5 });
      }
      return allDone(delivery);
    });
    for (let seq = 1; seq <= 20; seq += 1) {
      const entities = Array.from({ length: 10 }, (_, index) => `e${index}`);
      await write(
        topic,
        entities.map((resource_id) => ({ resource_id, events: [event(seq)] })),
      );
      await courierOf(topic)
        .wake()
        .catch(() => undefined);
      if (random.next() < 0.7) await crash(topic);
    }
    await expect
      .poll(async () => {
        await courierOf(topic).redrive("*", null);
        await courierOf(topic).wake();
        const { pending } = await status(topic);
        return {
          pending,
          delivered: [...delivered.values()].flatMap((all) => [...new Set(all)]).length,
        };
      })
      .toEqual({ pending: 0, delivered: 200 });
    for (const seen of delivered.values()) {
      // What is repeated is told again from where it was cut, and never out of order.
      const firsts = seen.filter((seq, index) => seen.indexOf(seq) === index);
      expect(firsts).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    }
  });
});

describe("the outbox", () => {
  it("keeps what a courier has not taken, and forgets the rest", async () => {
    const outbox = new Outbox(env.DB);
    const hour = 3_600_000;
    const now = Date.now();
    await env.DB.prepare("DELETE FROM outbox").run();
    await write("purged", [
      { id: "old", created_at: now - hour },
      { id: "new", created_at: now },
    ]);
    const ids = async () => (await outbox.after(0, 10)).map(({ id }) => id);
    await outbox.purge(["slow"], now);
    expect(await ids()).toEqual(["old", "new"]);
    await outbox.passed("slow", await outbox.newest(), now);
    await outbox.purge(["slow", "slower"], now);
    expect(await ids()).toEqual(["old", "new"]);
    await outbox.forgetCourier("slower");
    await outbox.purge(["slow"], now);
    expect(await ids()).toEqual(["new"]);
    await outbox.purge([], now + hour);
    expect(await ids()).toEqual([]);
  });

  it("gives no position twice", async () => {
    const outbox = new Outbox(env.DB);
    await write("positions", [{}]);
    const before = await outbox.newest();
    await env.DB.prepare("DELETE FROM outbox").run();
    await write("positions", [{}]);
    expect(await outbox.newest()).toBeGreaterThan(before);
  });
});
