/** A session whose process dies, at every commit and in mid-stream: it comes to rest, and nothing is done twice. */
import { runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Random } from "../../test/random.ts";
import { script } from "../models/test-support.ts";
import {
  accepted,
  calling,
  crash,
  dieAfter,
  objectOf,
  ready,
  resetTools,
  scriptTool,
  stubOf,
  type TestSession,
  toolRuns,
  words,
} from "./test-support.ts";

beforeEach(resetTools);

const TURNS = 60;
const WAIT = { timeout: 10_000, interval: 5 };
const PIECES = Array.from({ length: 12 }, (_, index) => `piece ${index} `);

const alarmOf = ({ id }: TestSession) =>
  runInDurableObject(stubOf(id), (_, { storage }) => storage.getAlarm());

/** Sends until it is known that the message is there. */
async function sendThrough(session: TestSession, content: string): Promise<void> {
  const id = crypto.randomUUID();
  await vi.waitFor(() => session.send(content, { id, wait_ms: 0 }), WAIT);
}

describe("a crash", () => {
  it("at any commit leaves a session that comes to rest, and repeats no effect", async () => {
    const random = new Random(7);
    const reply = () =>
      random.next() < 0.5 ? words(...PIECES) : calling(["act", { n: 1 }], ["look", { n: 2 }]);
    await script(...Array.from({ length: 900 }, reply));
    const session = await ready();
    let died = 0;
    for (let turn = 1; turn <= TURNS; turn += 1) {
      dieAfter(1 + random.below(12));
      await sendThrough(session, `Message ${turn}.`);
      await session.until({ state: "waiting", waiting_for: "message", turns: turn });
      died += dieAfter(null) ? 0 : 1;
    }
    expect(died).toBeGreaterThan(TURNS / 3);
    const keys = toolRuns.filter(({ name }) => name === "act").map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    const events = accepted(await objectOf(session.id).events(0, 100_000));
    const seqs = events.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(events.filter(({ type }) => type === "message.delta")).toEqual([]);
    expect(events.filter(({ type }) => type === "turn.ended")).toHaveLength(TURNS);
    await vi.waitFor(async () => expect(await alarmOf(session)).toBeNull(), WAIT);
  }, 120_000);

  it("in mid-stream has the step written again, whole", async () => {
    await script(
      { ...words(...PIECES), fault: { kind: "hold", after_events: 6 } },
      words(...PIECES),
    );
    const session = await ready();
    await session.send("Write.", { wait_ms: 0 });
    const types = async () => {
      const events = accepted(await objectOf(session.id).events(0, 1_000));
      return events.map(({ type }) => type);
    };
    await vi.waitFor(async () => expect(await types()).toContain("message.delta"), WAIT);
    await crash(session.id);
    await session.until({ waiting_for: "message", turns: 1 });
    expect(await types()).toContain("message.discarded");
    const messages = accepted(await objectOf(session.id).messages(0, 10));
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(messages.at(-1)?.content).toEqual([{ type: "text", text: PIECES.join("") }]);
    expect(accepted(await objectOf(session.id).ledger(0, 10))).toMatchObject([
      { attempt: 1, is_assumed: true },
      { attempt: 2, is_assumed: false },
    ]);
  });

  it("leaves what lives elsewhere as it is, and finds it again", async () => {
    const gate = Promise.withResolvers<void>();
    scriptTool("remote", async () => {
      await gate.promise;
      return { output: "there", is_error: false };
    });
    await script(calling(["remote", { n: 1 }]), words("Done."));
    const session = await ready();
    await session.send("Go.", { wait_ms: 0 });
    await vi.waitFor(() => expect(toolRuns).toHaveLength(1), WAIT);
    await crash(session.id);
    await session.read();
    await vi.waitFor(() => expect(toolRuns).toHaveLength(2), WAIT);
    gate.resolve();
    await session.until({ waiting_for: "message", turns: 1, stop_reason: "end_turn" });
    expect(new Set(toolRuns.map(({ key }) => key)).size).toBe(1);
    const messages = accepted(await objectOf(session.id).messages(0, 10));
    expect(JSON.stringify(messages)).toContain("there");
  });

  it("in a cancel has what lives elsewhere stopped all the same", async () => {
    let stops = 0;
    scriptTool("remote", async (_, signal) => {
      if (!signal.aborted) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
      stops += 1;
      // The first one to be stopped dies before it can say so.
      if (stops === 1) await new Promise(() => undefined);
      return { output: null, is_error: true };
    });
    await script(calling(["remote", { n: 1 }]));
    const session = await ready();
    await session.send("Go.", { wait_ms: 0 });
    await vi.waitFor(() => expect(toolRuns).toHaveLength(1), WAIT);
    await session.command({ type: "cancel_turn", turn: null });
    await vi.waitFor(() => expect(stops).toBe(1), WAIT);
    await crash(session.id);
    await session.read();
    await vi.waitFor(() => expect(stops).toBe(2), WAIT);
    await vi.waitFor(async () => expect(await alarmOf(session)).toBeNull(), WAIT);
    expect(new Set(toolRuns.map(({ key }) => key)).size).toBe(1);
  });

  it("of a step that always takes the process down ends its turn", async () => {
    await script(
      ...Array.from({ length: 5 }, () => ({
        ...words(...PIECES),
        fault: { kind: "hold", after_events: 6 },
      })),
    );
    const session = await ready();
    await session.send("Write.", { wait_ms: 0 });
    for (let death = 1; death <= 5; death += 1) {
      await vi.waitFor(async () => {
        const events = accepted(await objectOf(session.id).events(0, 1_000));
        const last = events.findLast(({ type }) => type === "step.started");
        expect(JSON.parse(last?.data ?? "{}")).toMatchObject({ attempt: death });
        expect(events.at(-1)?.type).toBe("message.delta");
      }, WAIT);
      await crash(session.id);
    }
    const ended = await session.until({ waiting_for: "message", turns: 1, stop_reason: "error" });
    expect(ended.error?.code).toBe("recovery_exhausted");
    const messages = accepted(await objectOf(session.id).messages(0, 10));
    expect(messages.at(-1)).toMatchObject({ role: "assistant", state: "cut" });
  }, 60_000);
});
