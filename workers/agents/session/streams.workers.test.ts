/** Who follows a session, with whatever breaks in between, has everything once. */
import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../test/random.ts";
import { script } from "../models/test-support.ts";
import type { SessionEventRow } from "../session-port.ts";
import { accepted, calling, follow, objectOf, ready, resetTools, words } from "./test-support.ts";

beforeEach(resetTools);

const DISCONNECTS = 100;
const PIECES = Array.from({ length: 40 }, (_, index) => `piece ${index} `);

/** What a client makes of the events, as `event-log.ts` says. */
class Reader {
  readonly texts = new Map<string, string>();
  readonly done = new Map<string, unknown>();
  readonly deltas: number[] = [];
  cursor = 0;

  read({ seq, type, data }: SessionEventRow): void {
    expect(seq).toBeGreaterThan(this.cursor);
    this.cursor = seq;
    const event: { message: string; offset: number; text: string; content: unknown } =
      JSON.parse(data);
    const { message } = event;
    if (type === "message.delta") {
      const text = this.texts.get(message) ?? "";
      expect(event.offset).toBe(text.length);
      expect(this.done.has(message)).toBe(false);
      this.texts.set(message, text + event.text);
      this.deltas.push(seq);
    } else if (type === "message.completed" || type === "message.cut") {
      expect(this.done.has(message)).toBe(false);
      this.done.set(message, event.content);
    } else if (type === "message.discarded") this.texts.delete(message);
  }
}

describe("a stream", () => {
  it("that breaks a hundred times loses nothing and tells nothing twice", async () => {
    const random = new Random(11);
    const turns = 25;
    const replies = Array.from({ length: turns }, () => [
      calling(["act", { n: 1 }]),
      words(...PIECES),
    ]);
    await script(...replies.flat());
    const session = await ready();
    const sending = (async () => {
      for (let turn = 0; turn < turns; turn += 1) await session.send("Go.");
      await session.command({ type: "terminate" });
    })();
    const reader = new Reader();
    let breaks = 0;
    for (let isOver = false; !isOver; ) {
      const gone = new AbortController();
      let left = breaks < DISCONNECTS ? 1 + random.below(6) : Number.POSITIVE_INFINITY;
      isOver = true;
      for await (const event of follow(session.id, reader.cursor, gone.signal)) {
        reader.read(event);
        left -= 1;
        if (left > 0) continue;
        isOver = false;
        breaks += 1;
        break;
      }
      gone.abort();
    }
    await sending;
    expect(breaks).toBe(DISCONNECTS);
    expect(reader.deltas.length).toBeGreaterThan(0);
    const written = accepted(await objectOf(session.id).messages(0, 1_000)).filter(
      ({ role }) => role === "assistant",
    );
    expect(written).toHaveLength(2 * turns);
    expect([...reader.done.values()]).toEqual(written.map(({ content }) => content));
    for (const [message, text] of reader.texts) {
      expect(JSON.stringify(reader.done.get(message))).toContain(text);
    }
    const kept = accepted(await objectOf(session.id).events(0, 10_000));
    expect(kept.filter(({ type }) => type === "message.delta")).toEqual([]);
    expect(kept.at(-1)?.seq).toBe(reader.cursor);
  });
});
