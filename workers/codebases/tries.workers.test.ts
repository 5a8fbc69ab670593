/** Imports that do not succeed: refused when asked for, or tried again, with a reason each time. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";
import { TestCodebase } from "./test-support.ts";

const { call } = isolate();
const URL_OF = "https://git.acme.dev/shop.git";
const CAUSE = 'The host "git.acme.dev" could not be reached.';

/** A snapshot that is being read for the `tries`th time, by nobody else. */
async function reading(codebase: TestCodebase, url: string | null, tries: number) {
  const index = env.CODEBASE_INDEX.getByName(codebase.id);
  const number = await runInDurableObject(index, async (object, { storage }) => {
    const begun = object.begin({
      ...{ id: crypto.randomUUID(), ref: null, commit: null, manifest: null },
      source: { kind: url === null ? "archive" : "git", url },
    });
    const snapshot = await begun;
    storage.sql.exec("UPDATE snapshots SET tries = ?, touched_at = ?", tries, Date.now());
    await storage.deleteAlarm();
    return snapshot.number;
  });
  return { index, number };
}

describe("a try that failed", () => {
  it("is told of, with its cause, while another follows", async () => {
    const codebase = await TestCodebase.create(call);
    const { index, number } = await reading(codebase, URL_OF, 2);
    expect(await index.retry(number, CAUSE)).toBe(true);
    expect(await codebase.snapshot(number)).toMatchObject({
      state: "ingesting",
      error: { code: "ingest_retrying", message: CAUSE },
    });
    const events = (await index.events(0, number, 10, 0)) ?? [];
    expect(events.map(({ type }) => type)).toEqual(["snapshot.begun", "snapshot.retrying"]);
    expect(JSON.parse(events[1]?.data ?? "")).toEqual({ cause: CAUSE, try: 2 });
  });

  it.each([
    [
      URL_OF,
      "source_unavailable",
      /git\.acme\.dev .*5 times.*could not be reached\. Check the address/,
    ],
    [null, "ingest_lost", /the archive .*5 times.*could not be reached\. Send it again/],
  ])(
    "of %s is the last after some, and what the snapshot fails with",
    async (url, code, message) => {
      const codebase = await TestCodebase.create(call);
      const { index, number } = await reading(codebase, url, 5);
      expect(await index.retry(number, CAUSE)).toBe(false);
      expect(await codebase.snapshot(number)).toMatchObject({
        state: "failed",
        error: { code, message: expect.stringMatching(message) },
      });
      expect(await index.retry(number, CAUSE)).toBe(false);
      const types = ((await index.events(0, number, 10, 0)) ?? []).map(({ type }) => type);
      expect(types).toEqual(["snapshot.begun", "snapshot.retrying", "snapshot.failed"]);
    },
  );
});

describe("an address that nothing is fetched from", () => {
  it.each([
    "http://127.0.0.1/shop.git",
    "http://localhost:3000/shop",
    "https://git.internal/shop.git",
    "https://acme.dev/shop.tar.xz",
    "https://acme.dev/shop.7z",
  ])("is refused when it is named: %s", async (url) => {
    const codebase = await TestCodebase.create(call);
    const source = { url };
    const name = `n-${crypto.randomUUID()}`;
    for (const [path, method, body, field] of [
      [`${codebase.path}/import`, "POST", { url }, "url"],
      [codebase.path, "PATCH", { source }, "source.url"],
      ["/api/v1/codebases", "POST", { name, source }, "source.url"],
    ] as const) {
      const reply = await call(path, { method, body });
      expect(reply, reply.text).toMatchObject({ status: 422, body: { errors: [{ path: field }] } });
    }
    expect((await codebase.get("/snapshots")).body.items).toEqual([]);
    expect((await call(`/api/v1/codebases?name=${name}`)).body.items).toEqual([]);
  });
});
