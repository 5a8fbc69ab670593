/** What a webhook makes of each answer, with the real sender, guard, rows and disk. */
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { OutboxMessage } from "../delivery/message.ts";
import { CourierTables } from "../delivery/tables.ts";
import { courierOf } from "../delivery/test-support.ts";
import type { Send } from "../security/outbound.ts";
import { WebhookTarget } from "./target.ts";
import { repository, senderTo, storedWebhook, taskMessage } from "./test-support.ts";

interface Bench {
  readonly tables: CourierTables;
  deliver(...messages: OutboxMessage[]): ReturnType<WebhookTarget["deliver"]>;
  row(): ReturnType<typeof repository.find>;
}

interface Options {
  readonly serve: Send;
  readonly disable_after_ms?: number;
  readonly timeout_ms?: number;
}

/** Runs `test` on the disk of a courier. */
async function onBench(
  { serve, timeout_ms, ...options }: Options,
  test: (bench: Bench) => Promise<void>,
): Promise<void> {
  const { row } = await storedWebhook();
  await runInDurableObject(courierOf(row.id), async (_, { storage }) => {
    const tables = new CourierTables(storage.sql);
    const sender = senderTo(serve, timeout_ms);
    const target = new WebhookTarget({ row, repository, sender, ...options });
    await test({
      tables,
      row: () => repository.find("*", row.id),
      deliver: (...messages) =>
        target.deliver(
          {
            ...{ entity: messages[0]?.resource_id ?? "", messages, attempt: 1 },
            ...{ is_repeated: false, memory: tables, failing_ms: 0 },
          },
          AbortSignal.timeout(60_000),
        ),
    });
  });
}

const answer =
  (status: number, headers: HeadersInit = {}): Send =>
  async () =>
    new Response(null, { status, headers });

describe("a webhook's target", () => {
  it("sends each event once, in order, and says how far it came", async () => {
    const ids: string[] = [];
    const serve: Send = async ({ headers }) => {
      ids.push(headers.get("webhook-id") ?? "");
      return new Response(null, { status: ids.length === 3 ? 503 : 200 });
    };
    await onBench({ serve }, async ({ deliver, tables }) => {
      const messages = [taskMessage("r", 1, 1), taskMessage("r", 2, 2, 3)];
      expect(await deliver(...messages)).toMatchObject({ status: "failed", through: 1 });
      // What of a message came through is not sent again, nor what a repeated message has again.
      const repeated = taskMessage("r", 3, 3);
      expect(await deliver(...messages.slice(1), repeated)).toEqual({
        status: "delivered",
        through: 3,
      });
      expect(ids).toEqual(["evt_r_1", "evt_r_2", "evt_r_3", "evt_r_3"]);
      expect(tables.entries(null, 10).map(({ outcome }) => outcome)).toEqual([
        "delivered",
        "failed",
        "delivered",
        "delivered",
      ]);
      expect(JSON.parse(tables.body(1) ?? "")).toMatchObject({ type: "task.completed" });
    });
  });

  it("parks what is refused", async () => {
    await onBench({ serve: answer(422) }, async ({ deliver }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({
        ...{ status: "failed", scope: "entity", is_final: true, error: "It answered 422." },
      });
    });
  });

  it.each([500, 502, 503, 408])("takes %i for the endpoint's own trouble", async (status) => {
    await onBench({ serve: answer(status) }, async ({ deliver }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({
        ...{ status: "failed", scope: "target", is_final: false },
      });
    });
  });

  it("takes what fails alone for that resource's own trouble", async () => {
    const serve: Send = async ({ headers }) =>
      new Response(null, { status: headers.get("webhook-id")?.startsWith("evt_bad") ? 500 : 200 });
    await onBench({ serve }, async ({ deliver }) => {
      const bad = taskMessage("bad", 1, 1);
      expect(await deliver(bad)).toMatchObject({ scope: "target" });
      expect(await deliver(bad)).toMatchObject({ scope: "target" });
      expect(await deliver(taskMessage("good", 2, 1))).toMatchObject({ status: "delivered" });
      expect(await deliver(bad)).toMatchObject({ scope: "entity", is_final: false });
    });
  });

  it("waits as long as it is asked to", async () => {
    await onBench({ serve: answer(429, { "retry-after": "7" }) }, async ({ deliver }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({
        ...{ scope: "target", retry_after_ms: 7_000 },
      });
    });
  });

  it("does not follow a redirect", async () => {
    const asked: string[] = [];
    const serve: Send = async ({ url }) => {
      asked.push(url);
      return new Response(null, { status: 307, headers: { location: "http://10.0.0.1/" } });
    };
    await onBench({ serve }, async ({ deliver }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({
        ...{ scope: "target", error: expect.stringContaining("Redirects are not followed") },
      });
    });
    expect(asked).toEqual(["https://hooks.example.com/in"]);
  });

  it("gives up on an endpoint that hangs, and on one that breaks off", async () => {
    const hang: Send = ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    await onBench({ serve: hang, timeout_ms: 20 }, async ({ deliver }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({
        ...{ scope: "target", error: "It did not answer within 0.02 s." },
      });
    });
    const broken: Send = () => Promise.reject(new Error("reset"));
    await onBench({ serve: broken }, async ({ deliver }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({
        ...{ scope: "target", error: expect.stringContaining("could not be reached") },
      });
    });
  });

  it("is disabled at once by 410", async () => {
    await onBench({ serve: answer(410) }, async ({ deliver, row }) => {
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({ status: "closed" });
      expect(await row()).toMatchObject({
        ...{ enabled: false, disabled_reason: expect.stringContaining("410"), revision: 2 },
      });
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({ status: "closed" });
    });
  });

  it("is disabled when nothing comes through for too long", async () => {
    let status = 503;
    const serve: Send = async () => new Response(null, { status });
    await onBench({ serve, disable_after_ms: 0 }, async ({ deliver, row }) => {
      status = 200;
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({ status: "delivered" });
      status = 503;
      expect(await deliver(taskMessage("r", 2, 2))).toMatchObject({ status: "closed" });
      expect((await row())?.disabled_reason).toContain("Nothing has come through since");
    });
    await onBench({ serve }, async ({ deliver, tables, row }) => {
      await deliver(taskMessage("r", 1, 1));
      tables.set("failing_since", Date.now() - 71 * 3_600_000);
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({ status: "failed" });
      tables.set("failing_since", Date.now() - 73 * 3_600_000);
      expect(await deliver(taskMessage("r", 1, 1))).toMatchObject({ status: "closed" });
      expect(await row()).toMatchObject({ enabled: false });
    });
  });

  it("sends by the settings of the moment, and nothing once it is deleted", async () => {
    const urls: string[] = [];
    const serve: Send = async ({ url }) => {
      urls.push(url);
      return new Response("ok");
    };
    await onBench({ serve }, async ({ deliver, row }) => {
      const current = await row();
      if (current === null) throw new Error("The row is not there.");
      const events = ["task.completed"];
      const next = { ...current, url: "https://new.example.com/", events, revision: 2 };
      expect(await repository.replace(next)).toBe(true);
      expect(await repository.replace(next)).toBe(false);
      await deliver(taskMessage("r", 1, 1));
      expect(urls).toEqual(["https://new.example.com/"]);
      expect(await repository.delete(current.id)).toBe(true);
      expect(await deliver(taskMessage("r", 2, 2))).toMatchObject({ status: "closed" });
    });
  });
});
