/** Every fault, as a client meets it. */
import { afterAll, describe, expect, it, vi } from "vitest";
import { Faults, type FaultsInput, readFaults } from "./faults.ts";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import {
  authorization,
  countProcesses,
  events,
  leaf,
  logLines,
  query,
  shell,
  sleeper,
} from "./testing.ts";

const started: FakeDagger[] = [];
afterAll(() => Promise.all(started.map((dagger) => dagger.close())));

async function start(faults: FaultsInput): Promise<FakeDagger> {
  const dagger = await startFakeDagger({ faults });
  started.push(dagger);
  return dagger;
}

describe("readFaults", () => {
  it("reads JSON and nothing, and refuses what it does not know", () => {
    expect(readFaults(undefined)).toEqual({});
    expect(readFaults('{"unreachable":true}')).toEqual({ unreachable: true });
    expect(() => readFaults('{"unheard":true}')).toThrow(/unheard/);
  });
});

describe("Faults", () => {
  it("happen as often as they should", () => {
    const faults = new Faults({ dropConnection: { at: "exec", times: 2 } });
    expect([1, 2, 3].map(() => faults.takeDrop("exec"))).toEqual([true, true, false]);
    expect(faults.takeDrop("query")).toBe(false);
  });
});

describe("an image pull failure", () => {
  it("fails that image alone", async () => {
    const dagger = await start({ pullFailures: { "node:22": "unexpected status 429" } });
    const from = (image: string) => `{ container { from (address: "${image}") { id } } }`;
    expect((await query(dagger, from("node:22"))).errors?.[0]?.message).toMatch(
      /^failed to resolve image "docker.io\/library\/node:22" .* 429$/,
    );
    expect((await query(dagger, from("node:24"))).errors).toBeUndefined();
  });
});

describe.concurrent("a dropped connection", () => {
  it.each(["query", "exec", "output"] as const)("at %s kills what ran for it", async (at) => {
    const dagger = await start({ dropConnection: { at } });
    const { line, mark } = sleeper();
    await expect(query(dagger, shell(line))).rejects.toThrow("fetch failed");
    await vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 20_000 });
    expect(leaf(await query(dagger, "{ version }"))).toBe("v0.21.9");
  });

  it("at response leaves half an answer", async () => {
    const dagger = await start({ dropConnection: { at: "response" } });
    const response = await fetch(`http://127.0.0.1:${dagger.port}/query`, {
      method: "POST",
      headers: { authorization: authorization(dagger.token) },
      body: JSON.stringify({ query: "{ version }" }),
    });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect(leaf(await query(dagger, "{ version }"))).toBe("v0.21.9");
  });
});

describe.concurrent("an engine that dies", () => {
  it.each(["exec", "output"] as const)("at %s takes its commands along", async (at) => {
    const dagger = await start({ killEngine: { at } });
    const { line, mark } = sleeper();
    const ask = (text: string) =>
      fetch(`http://127.0.0.1:${dagger.port}/query`, {
        method: "POST",
        headers: { authorization: authorization(dagger.token) },
        body: JSON.stringify({ query: text }),
      });
    const lost = await ask(shell(line));
    expect([lost.status, await lost.text()]).toEqual([
      502,
      'http do: Post "http://dagger/query": EOF',
    ]);
    await vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 20_000 });
    const later = await ask("{ version }");
    expect([later.status, await later.text()]).toEqual([
      502,
      'http do: Post "http://dagger/query": connection refused',
    ]);
  });
});

describe("huge output", () => {
  it("comes before a command's own", async () => {
    const dagger = await start({ hugeOutput: { bytes: 3_000_000, stream: "stderr" } });
    const result = await query(dagger, shell("echo own >&2; echo out", "stdout stderr"));
    const { stdout, stderr } = Object(Object(Object(result.data).container).from).withExec;
    expect(stdout).toBe("out\n");
    expect(stderr.length).toBe(3_000_004);
    expect(stderr.endsWith("x\nown\n") || stderr.endsWith("xown\n")).toBe(true);
  });
});

describe.concurrent("a log stream that is cut", () => {
  it("can be taken up where it broke off", async () => {
    const dagger = await start({ cutLogStream: { afterEvents: 1 } });
    await query(dagger, shell("echo one"));
    const read = async (last?: string) => {
      const seen: { id: string; text: string }[] = [];
      try {
        const headers = last === undefined ? {} : { "x-last-event-id": last };
        for await (const event of events(dagger, "/v1/logs", headers)) {
          if (event.name !== "logs") continue;
          const text = logLines(event)
            .map((line) => line.text)
            .join("");
          seen.push({ id: event.id, text });
          if (text.includes("two")) return { seen, isCut: false };
        }
      } catch {
        return { seen, isCut: true };
      }
      return { seen, isCut: false };
    };
    const first = await read();
    expect(first).toMatchObject({ isCut: true, seen: [{ text: "one\n" }] });
    await query(dagger, shell("echo two"));
    expect(await read(first.seen.at(-1)?.id)).toMatchObject({ seen: [{ text: "two\n" }] });
  });

  it("can be cut before its first event", async () => {
    const dagger = await start({ cutLogStream: { afterEvents: 0 } });
    const reading = async () => {
      for await (const _event of events(dagger, "/v1/logs")) {
        // The event of subscription may or may not arrive.
      }
    };
    await expect(reading()).rejects.toThrow();
  });
});
