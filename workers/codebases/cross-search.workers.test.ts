/** Searches of all codebases of a project, and searches that are streamed. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";
import { crossSearchSchema } from "./reading-schemas.ts";
import { TestCodebase } from "./test-support.ts";

const { call } = isolate();

const PROJECT = "search-of-all";

/** Two codebases with the word and one without a snapshot, in a project of their own. */
beforeAll(async () => {
  const shop = await TestCodebase.create(call, { name: "acme/shop", project_id: PROJECT });
  await shop.push({ "src/order.ts": "export const orderTotal = 1;\n" }, { ref: "main" });
  const docs = await TestCodebase.create(call, { name: "acme/docs", project_id: PROJECT });
  await docs.push({ "a.md": "About orderTotal.\n", "b.md": "orderTotal again.\n" });
  await TestCodebase.create(call, { name: "acme/empty", project_id: PROJECT });
});

async function search(q: string, parameters: Readonly<Record<string, string>> = {}) {
  const query = new URLSearchParams({ q, project_id: PROJECT, ...parameters });
  const reply = await call(`/api/v1/search?${query}`);
  expect(reply.status, reply.text).toBe(200);
  return crossSearchSchema.parse(reply.body);
}

const placesOf = ({ items }: Awaited<ReturnType<typeof search>>) =>
  items.map(({ codebase, path }) => `${codebase}/${path}`);

describe("a search of all codebases", () => {
  it("ranks what all have, and says which have nothing to search", async () => {
    const answer = await search("orderTotal");
    expect(placesOf(answer)).toEqual([
      "acme/shop/src/order.ts",
      "acme/docs/a.md",
      "acme/docs/b.md",
    ]);
    expect(answer.codebases.map(({ name, status }) => [name, status])).toEqual([
      ["acme/shop", "searched"],
      ["acme/docs", "searched"],
      ["acme/empty", "empty"],
    ]);
    expect(answer).toMatchObject({ complete: true, next_cursor: null });
  });

  it("asks those alone that repo: means", async () => {
    expect(placesOf(await search("orderTotal repo:shop"))).toEqual(["acme/shop/src/order.ts"]);
    const rest = await search("orderTotal -repo:shop");
    expect(rest.codebases.map(({ name }) => name)).toEqual(["acme/docs", "acme/empty"]);
  });

  it("takes some codebases at a time, and the name of a snapshot for all", async () => {
    const first = await search("orderTotal", { codebases: "1" });
    expect(first.codebases.map(({ name }) => name)).toEqual(["acme/shop"]);
    const next = await search("orderTotal", { codebases: "2", cursor: first.next_cursor ?? "" });
    expect(next.codebases.map(({ name }) => name)).toEqual(["acme/docs", "acme/empty"]);
    const main = await search("orderTotal", { snapshot: "main" });
    expect(placesOf(main)).toEqual(["acme/shop/src/order.ts"]);
  });

  it("says that it is partial, and goes on in the codebase itself", async () => {
    const answer = await search("orderTotal repo:docs", { limit: "1" });
    expect(answer).toMatchObject({
      complete: false,
      codebases: [{ receipt: { exhaustive: false } }],
    });
    const [docs] = answer.codebases;
    const query = new URLSearchParams({
      q: "orderTotal repo:docs",
      cursor: docs?.next_cursor ?? "",
    });
    const rest = await call(`/api/v1/codebases/${docs?.id}/search?${query}`);
    expect(rest.body, rest.text).toMatchObject({ items: [{ path: "b.md" }], next_cursor: null });
  });

  it("names an index that fails, and answers with the others", async () => {
    const [shop] = (await search("orderTotal repo:shop")).codebases;
    const index = env.CODEBASE_INDEX.getByName(shop?.id ?? "");
    await index.destroy();
    const answer = await search("orderTotal");
    expect(answer.codebases[0]).toMatchObject({
      name: "acme/shop",
      status: "failed",
      receipt: null,
    });
    expect(answer.complete).toBe(false);
    expect(placesOf(answer)).toEqual(["acme/docs/a.md", "acme/docs/b.md"]);
  });

  it("refuses a query with a fault before any is asked", async () => {
    for (const q of ["(", "diff:a..b x", "nofield:x"]) {
      const reply = await call(`/api/v1/search?${new URLSearchParams({ q })}`);
      expect(reply.status, q).toBe(422);
    }
  });

  it("is told as each has answered", async () => {
    const query = new URLSearchParams({ q: "orderTotal", project_id: PROJECT });
    const headers = { accept: "text/event-stream" };
    const { text } = await call(`/api/v1/search?${query}`, { headers });
    const types = [...text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect(types).toEqual(["codebase", "codebase", "codebase", "done"]);
    const refused = await call("/api/v1/search?q=(", { headers });
    expect(refused.status).toBe(422);
  });
});

describe("a search that is streamed", () => {
  it("goes on to the end by itself", async () => {
    const codebase = await TestCodebase.create(call);
    const files = Array.from({ length: 25 }, (_, index) => [`${index}.txt`, "needle\n"] as const);
    await codebase.push(Object.fromEntries(files));
    const headers = { accept: "text/event-stream" };
    const { text } = await call(`${codebase.path}/search?q=needle&limit=10`, { headers });
    const types = [...text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect(types).toEqual(["results", "results", "results", "done"]);
    expect(text.match(/"path":"\d+\.txt"/g)).toHaveLength(25);
    expect(text).toContain('"exhaustive":true');
  });
});
