/** Sessions that grow long: summaries stand for what was said, which stays where it was. */
import { beforeEach, describe, expect, it } from "vitest";
import { script, seen } from "../models/test-support.ts";
import {
  accepted,
  calling,
  objectOf,
  ready,
  resetTools,
  scriptTool,
  words,
} from "./test-support.ts";

beforeEach(resetTools);

const LONG = "lorem ipsum dolor ".repeat(6_000);
const messagesOf = async (id: string) => accepted(await objectOf(id).messages(0, 1_000));
const statesOf = async (id: string) =>
  (await messagesOf(id)).map(({ role, state }) => `${role} ${state}`);
const usage = { input_tokens: 30_000, output_tokens: 5 };

describe("a conversation", () => {
  it("that grows too long is summarised before the next step, and goes on", async () => {
    await script(
      { ...words("One."), usage },
      { ...words("They spoke Latin."), usage },
      { ...words("Two."), usage },
    );
    const session = await ready({ compact_at: 0.1 });
    await session.send(LONG.slice(0, 60_000));
    const second = await session.send("And now?");
    expect(second).toMatchObject({ reply: { text: "Two." } });
    expect(await statesOf(session.id)).toEqual([
      "user compacted",
      "assistant taken",
      "user taken",
      "summary taken",
      "assistant taken",
    ]);
    const [, asked, told] = await seen();
    expect(JSON.stringify(asked?.body.messages)).toContain("Summarise our conversation");
    expect(asked?.body.tool_choice).toBe("none");
    expect(JSON.stringify(told?.body.messages)).toContain("They spoke Latin.");
    expect(JSON.stringify(told?.body.messages)).not.toContain("lorem");
  });

  it("is summarised on demand, all of it, with calls and results together", async () => {
    scriptTool("look", () => ({ output: "seen", is_error: false }));
    await script(
      calling(["look", { n: 1 }], ["look", { n: 2 }]),
      words("Done."),
      words("All seen."),
    );
    const session = await ready();
    await session.send("Look.");
    await session.command({ type: "compact" });
    await session.until({ waiting_for: "message", turns: 2 });
    expect(await statesOf(session.id)).toEqual([
      "user compacted",
      "assistant compacted",
      "tool compacted",
      "tool compacted",
      "assistant compacted",
      "summary taken",
    ]);
    await script(words("Yes."));
    expect(await session.send("Still there?")).toMatchObject({ reply: { text: "Yes." } });
    const [request] = await seen();
    expect(request?.body.messages).toMatchObject([
      { content: expect.stringContaining("All seen.") },
      { content: "Still there?" },
    ]);
  });

  it("whose summary is rolled back is told as it was", async () => {
    const held = { ...words("Two", "and", "more"), fault: { kind: "hold", after_events: 4 } };
    const again = [words("A summary again."), words("Three.")];
    await script({ ...words("One."), usage }, words("A summary."), held, ...again);
    const session = await ready({ compact_at: 0.1 });
    await session.send(LONG);
    await session.send("Short.", { wait_ms: 0 });
    await expect.poll(async () => (await seen()).length).toBe(3);
    expect(await session.send("Again.", { policy: "rollback" })).toMatchObject({
      reply: { text: "Three." },
    });
    const asked = (await seen())[3];
    expect(JSON.stringify(asked?.body.messages)).toContain("lorem");
    expect(await statesOf(session.id)).toEqual([
      "user compacted",
      "assistant taken",
      "user rolled_back",
      "summary rolled_back",
      "assistant rolled_back",
      "user taken",
      "summary taken",
      "assistant taken",
    ]);
  });

  it("that has nothing to summarise asks no model", async () => {
    await script();
    const session = await ready();
    await session.command({ type: "compact" });
    await session.until({ waiting_for: "message", turns: 1, stop_reason: "end_turn" });
    expect(await seen()).toEqual([]);
  });

  it("that its provider finds too long is summarised, and the step done again", async () => {
    const tooLong = {
      kind: "status",
      status: 400,
      message: "This model's maximum context length is 8192 tokens",
      code: "context_length_exceeded",
    };
    await script(words("One."), { fault: tooLong }, words("Short."), words("Two."));
    const session = await ready();
    await session.send(LONG.slice(0, 20_000));
    expect(await session.send("And now?")).toMatchObject({ reply: { text: "Two." } });
    expect(await statesOf(session.id)).toContain("summary taken");
    expect((await session.read()).error).toBeNull();
  });
});

describe("a model", () => {
  it("is changed between steps, and one that is not known is refused", async () => {
    await script(words("One."), words("Two."));
    const session = await ready();
    await session.send("First.");
    const change = (model: string) =>
      objectOf(session.id).command({ type: "model", model }, { by: "key:test", grants: [] });
    expect(await change("nobody/nothing")).toMatchObject({ refused: "invalid", path: "model" });
    expect(accepted(await change("anthropic/claude-sonnet-5-5"))).toMatchObject({
      model: "anthropic/claude-sonnet-5-5",
    });
    expect(await session.send("Second.")).toMatchObject({ reply: { text: "Two." } });
    expect((await seen()).map(({ path }) => path)).toEqual([
      "/v1/chat/completions",
      "/v1/messages",
    ]);
  });
});
