/** Sessions that want the same slots, and commands that want the same session. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../test/random.ts";
import { script } from "../models/test-support.ts";
import type { SessionCommand } from "../session-port.ts";
import {
  accepted,
  CALLER,
  calling,
  limitSlots,
  objectOf,
  ready,
  resetTools,
  words,
} from "./test-support.ts";

beforeEach(resetTools);

const holdersOf = async () => {
  const { held } = await env.LIMITS.getByName("agents").holders("agents");
  return held.map(({ holder }) => holder);
};

describe("slots", () => {
  it("are held in a turn alone, and waited for when there are none", async () => {
    limitSlots(1);
    await script(
      { ...words("One", "two", "three"), fault: { kind: "hold", after_events: 3 } },
      words("Second."),
    );
    const [first, second] = [await ready(), await ready()];
    expect(await holdersOf()).toEqual([]);
    await first.send("Go.", { wait_ms: 0 });
    await first.until({ state: "running" });
    expect(await holdersOf()).toEqual([first.id]);
    await second.send("Go.", { wait_ms: 0 });
    await second.until({ state: "waiting", waiting_for: "slot" });
    await first.command({ type: "pause", mode: "now" });
    await second.until({ waiting_for: "message", turns: 1 });
    await expect.poll(holdersOf).toEqual([]);
    await first.command({ type: "terminate" });
  });
});

describe("commands", () => {
  it("that race leave a session that is whole", async () => {
    const random = new Random(3);
    await script(
      ...Array.from({ length: 200 }, () =>
        random.chance(0.3) ? calling(["look", { n: 1 }], ["act", { n: 2 }]) : words("a", "b", "c"),
      ),
    );
    const session = await ready();
    const commands: readonly SessionCommand[] = [
      { type: "pause", mode: "now" },
      { type: "pause", mode: "boundary" },
      { type: "resume" },
      { type: "resume" },
      { type: "cancel_turn", turn: null },
      { type: "compact" },
    ];
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(
        Array.from({ length: 12 }, () => {
          if (random.chance(0.4)) {
            const policy = random.pick(["enqueue", "reject", "interrupt", "rollback"] as const);
            return session.trySend("Go.", { policy, wait_ms: 0 });
          }
          return objectOf(session.id).command(random.pick(commands), CALLER);
        }),
      );
    }
    await objectOf(session.id).command({ type: "resume" }, CALLER);
    await session.until({ state: "waiting", waiting_for: "message", queued_messages: 0 });
    const messages = accepted(await objectOf(session.id).messages(0, 10_000));
    expect(messages.filter(({ state }) => state === "queued")).toEqual([]);
    await script(words("Whole."));
    expect(await session.send("Are you?")).toMatchObject({ reply: { text: "Whole." } });
  }, 30_000);
});
