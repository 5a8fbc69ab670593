/** How long what CommandCentral said is believed. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { FRESH_MS, Lookups, REST_MS, SHARED_WAIT_MS, STALE_MS } from "./lookups.ts";

afterEach(() => {
  vi.useRealTimers();
});

function bench() {
  const lookups = new Lookups<string>();
  let asked = 0;
  let answer: () => Promise<string | null> = async () => "one";
  return {
    asked: () => asked,
    says: (next: typeof answer) => {
      answer = next;
    },
    get: (now: number, key = "k") =>
      lookups.get(key, now, () => {
        asked += 1;
        return answer();
      }),
  };
}

const broken = () => Promise.reject(new Error("It is down."));

describe("lookups", () => {
  it("ask once a minute, and say whether they did", async () => {
    const { get, asked } = bench();
    expect(await get(0)).toEqual({ source: "commandcentral", value: "one", as_of: 0, error: null });
    expect(await get(FRESH_MS - 1)).toMatchObject({ source: "cache", as_of: 0, error: null });
    expect(await get(FRESH_MS)).toMatchObject({ source: "commandcentral", as_of: FRESH_MS });
    expect(asked()).toBe(2);
  });

  it("ask once for those who ask beside each other", async () => {
    const { get, asked, says } = bench();
    const gate = Promise.withResolvers<string>();
    says(() => gate.promise);
    const all = [get(0), get(0), get(1), get(0, "other")];
    gate.resolve("two");
    expect((await Promise.all(all)).map((found) => "value" in found && found.value)).toEqual([
      ...["two", "two", "two", "two"],
    ]);
    expect(asked()).toBe(2);
  });

  it("answer with what was said last while nothing can be said, and rest after a failure", async () => {
    const { get, asked, says } = bench();
    await get(0);
    says(broken);
    const stale = { source: "cache", value: "one", as_of: 0, error: "It is down." };
    expect(await get(FRESH_MS)).toEqual(stale);
    expect(await get(FRESH_MS + REST_MS - 1)).toEqual(stale);
    expect(asked()).toBe(2);
    says(async () => "two");
    expect(await get(FRESH_MS + REST_MS)).toMatchObject({ source: "commandcentral", value: "two" });
  });

  it("say that nothing is known when it never was, or too long ago", async () => {
    const { get, says } = bench();
    says(broken);
    expect(await get(0)).toEqual({ source: "unavailable", error: "It is down." });
    says(async () => "one");
    await get(REST_MS);
    says(broken);
    expect(await get(REST_MS + STALE_MS)).toMatchObject({ source: "unavailable" });
  });

  it("ask for what there is not again before long", async () => {
    const { get, asked, says } = bench();
    says(async () => null);
    expect(await get(0)).toMatchObject({ source: "commandcentral", value: null });
    expect(await get(1_000)).toMatchObject({ source: "cache", value: null });
    await get(5_000);
    expect(asked()).toBe(2);
  });
});

describe("a call that is shared", () => {
  it("is not waited for longer than it may take, and is made again then", async () => {
    vi.useFakeTimers();
    const { get, asked, says } = bench();
    says(() => new Promise(() => undefined));
    void get(0);
    const follower = get(1);
    await vi.advanceTimersByTimeAsync(SHARED_WAIT_MS);
    expect(await follower).toMatchObject({ source: "unavailable" });
    says(async () => "two");
    expect(await get(SHARED_WAIT_MS)).toMatchObject({ value: "two" });
    expect(asked()).toBe(2);
  });
});
