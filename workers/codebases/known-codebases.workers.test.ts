/** Searches of a codebase that was changed or deleted a moment ago, here or by another isolate. */
import { describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";
import { FILES, TestCodebase } from "./test-support.ts";

const { call } = isolate();
const { call: elsewhere } = isolate();

describe("a codebase that was searched a moment ago", () => {
  it.each([
    ["here", call],
    ["by another isolate", elsewhere],
  ])("is not found once it is deleted %s", async (_, from) => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const { next_cursor } = await codebase.search("parseQuery", { limit: "1" });
    expect((await from(codebase.path, { method: "DELETE" })).status).toBe(204);
    const asked = ["parseQuery", `parseQuery&cursor=${next_cursor}`, "parseQuery&snapshot=1", "(("];
    for (const q of asked) {
      const reply = await codebase.get(`/search?q=${q}`);
      expect(reply, q).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
  });

  it("is searched by the name that it has now", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    await codebase.search("parseQuery");
    const name = `renamed-${codebase.id}`;
    expect((await call(codebase.path, { method: "PATCH", body: { name } })).status).toBe(200);
    const { items } = await codebase.search(`parseQuery repo:${name}`);
    expect(items).not.toEqual([]);
  });

  it("is hidden from who may not see its project", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    await codebase.search("parseQuery");
    const minted = await call("/api/v1/keys", {
      body: { name: "stranger", scopes: ["codebases:read"], projects: ["stranger"] },
    });
    expect(minted.status, minted.text).toBe(201);
    const key = String(minted.body.key);
    const reply = await call(`${codebase.path}/search?q=parseQuery`, { key });
    expect(reply).toMatchObject({ status: 404, body: { code: "not_found" } });
  });
});
