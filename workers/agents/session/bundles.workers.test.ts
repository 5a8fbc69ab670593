/** Sessions taken out and in: nothing is lost, nothing is trusted. */
import { evictDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it } from "vitest";
import { newSeed } from "../../http/seed.ts";
import { resourceId } from "../../runs/address.ts";
import { script, seen } from "../models/test-support.ts";
import {
  accepted,
  CALLER,
  calling,
  objectOf,
  ready,
  resetTools,
  sessionOf,
  stubOf,
  toolRuns,
  words,
} from "./test-support.ts";

beforeEach(resetTools);

async function exported(id: string): Promise<string> {
  const response = await stubOf(id).fetch("https://session/bundle");
  return new TextDecoder().decode(await response.arrayBuffer());
}

async function taken(id: string, bundle: string) {
  const target = JSON.stringify({ id, project_id: "other", caller: CALLER });
  const response = await stubOf(id).fetch("https://session/bundle", {
    method: "POST",
    body: `${target}\n${bundle}`,
  });
  return { status: response.status, body: await response.json() };
}

describe("a bundle", () => {
  it("of a session in the middle of a turn is the same after it was taken in, and goes on", async () => {
    await script(
      words("Hello."),
      calling(["look", { n: 1 }], ["careful", { n: 2 }]),
      words("Done."),
    );
    const session = await ready({ tool_policies: { careful: "ask" }, skills: ["sum"] });
    await session.send("x".repeat(1_200_000));
    await session.send("Act.");
    const bundle = await exported(session.id);
    expect(bundle).not.toContain(session.id);
    const id = resourceId(newSeed(), "other");
    expect((await taken(id, bundle)).status).toBe(201);
    expect((await taken(id, bundle)).status).toBe(201);
    expect(await exported(id)).toBe(bundle);
    const copy = sessionOf(id);
    const [{ call = "" } = {}] = JSON.parse(
      await stubOf(id).ask(JSON.stringify({ ask: "approvals" })),
    );
    await copy.command({ type: "decide", call, approved: true, input: undefined, reason: null });
    await copy.until({ waiting_for: "message", turns: 2, project_id: "other" });
    expect(toolRuns.map(({ key }) => key.slice(0, 36))).toEqual([session.id, id]);
    expect(await session.read()).toMatchObject({ waiting_for: "approval" });
  });

  it("of a fork goes on from its message, and does not know the rest", async () => {
    await script(words("One."), calling(["look", { n: 1 }]), words("Two."), words("Three."));
    const session = await ready();
    await session.send("First.");
    await session.send("Second.");
    const messages = accepted(await objectOf(session.id).messages(0, 10));
    const asked = messages.find(({ content }) => JSON.stringify(content).includes("tool_call"));
    const fork = await stubOf(session.id).fetch(`https://session/bundle?fork=${asked?.seq}`);
    const id = resourceId(newSeed(), "other");
    const bundle = new TextDecoder().decode(await fork.arrayBuffer());
    expect((await taken(id, bundle)).status).toBe(201);
    const copy = sessionOf(id);
    expect(await copy.read()).toMatchObject({ waiting_for: "message", usage: { input_tokens: 0 } });
    await evictDurableObject(stubOf(id));
    expect(await copy.send("Third.")).toMatchObject({ turn: 3, reply: { text: "Three." } });
    const told = JSON.stringify((await seen()).at(-1)?.body.messages);
    expect(told).toContain("Second.");
    expect(told).toContain("interrupted");
    expect(told).not.toContain("Two.");
    const seqs = accepted(await objectOf(id).messages(0, 10)).map(({ seq }) => seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  });

  it("is not given of a session at work, or of none", async () => {
    await script({ ...words("One", "two"), fault: { kind: "hold", after_events: 2 } });
    const session = await ready();
    await session.send("Go.", { wait_ms: 0 });
    await session.until({ state: "running" });
    const refused = await stubOf(session.id).fetch("https://session/bundle");
    expect([refused.status, await refused.json()]).toMatchObject([409, { refused: "illegal" }]);
    await session.command({ type: "terminate" });
    const none = await stubOf(crypto.randomUUID()).fetch("https://session/bundle");
    expect(none.status).toBe(404);
  });

  it("that is none is refused, with the place, and leaves nothing", async () => {
    const session = await ready();
    const bundle = await exported(session.id);
    const broken = [
      ["", 1],
      [bundle.replace('"phase":"ready"', '"phase":"running"'), 1],
      [bundle.replace('"table":"events"', '"table":"secrets"'), 2],
      [`${bundle}half a li`, 5],
    ] as const;
    for (const [text, line] of broken) {
      const id = resourceId(newSeed(), "other");
      const answer = await taken(id, text);
      expect(answer.status).toBe(422);
      expect(answer.body).toMatchObject({ issues: [{ path: `line ${line}` }] });
      expect((await stubOf(id).fetch("https://session/bundle")).status).toBe(404);
    }
  });
});
