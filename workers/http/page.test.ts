import { z } from "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { ApiError } from "./errors.ts";
import { encodeCursor, listFilter, pageQuery, pageSql, readPage, toPage } from "./page.ts";

const PATH = "/api/v1/things";
const LIST = `https://x.test${PATH}`;
const query = z.strictObject({ ...pageQuery, state: listFilter(["queued", "running"]).optional() });

describe("the paging query", () => {
  it("has defaults", () => {
    expect(readPage(query.parse({}), LIST)).toEqual({
      limit: 50,
      order: "desc",
      after: null,
      created_after: null,
      created_before: null,
    });
  });

  it.each([
    { limit: "0" },
    { limit: "201" },
    { limit: "-1" },
    { limit: "1.5" },
    { limit: ["1", "2"] },
    { order: "up" },
    { created_after: "yesterday" },
    { created_after: "2026-02-30T00:00:00Z" },
    { state: "queued,flying" },
    { state: "" },
    { offset: "3" },
  ])("refuses %j", (input) => {
    expect(query.safeParse(input).success).toBe(false);
  });

  it("reads filters", () => {
    const parsed = query.parse({
      state: "queued, running",
      created_after: "2026-01-01T01:00:00+01:00",
    });
    expect(parsed.state).toEqual(["queued", "running"]);
    expect(readPage(parsed, LIST).created_after).toBe(Date.UTC(2026, 0, 1));
  });
});

describe("cursors", () => {
  const position = { created_at: 1_700_000_000_000, id: "id/ü" };

  it("return to the position that they were made from", () => {
    const cursor = encodeCursor(position, PATH, "asc");
    expect(cursor).toMatch(/^[\w-]+$/);
    expect(readPage(query.parse({ cursor, order: "asc" }), LIST).after).toEqual(position);
  });

  it("are refused when changed, or used in the other order", () => {
    const cursor = encodeCursor(position, PATH, "desc");
    const forged = [
      "",
      "x",
      cursor.slice(1),
      `${cursor}A`,
      `${cursor}==`,
      Buffer.from('[2,"/api/v1/things","desc",-1,"a"]').toString("base64url"),
      Buffer.from('[2,"/api/v1/things","desc",1,"a"] ').toString("base64url"),
      Buffer.from('{"created_at":1}').toString("base64url"),
    ];
    for (const bad of forged) {
      expect(() => readPage(query.parse({ cursor: bad }), LIST), bad).toThrow(ApiError);
    }
    expect(() => readPage(query.parse({ cursor, order: "asc" }), LIST)).toThrow(ApiError);
  });

  it("are refused by another list", () => {
    const cursor = encodeCursor(position, PATH, "desc");
    const read = (url: string) => readPage(query.parse({ cursor }), url);
    expect(read(`${LIST}?state=queued`).after).toEqual(position);
    const issues = [{ path: "query.cursor", message: expect.stringContaining("another list") }];
    expect(() => read("https://x.test/api/v1/others")).toThrow(expect.objectContaining({ issues }));
  });
});

describe("a page", () => {
  const rows = [3, 2, 1].map((n) => ({ created_at: n, id: `r${n}` }));
  const page = (limit: string) => readPage(query.parse({ limit }), LIST);
  const cut = (limit: string) =>
    toPage(
      rows,
      page(limit),
      `${LIST}?limit=2&state=queued`,
      (row) => row,
      (row) => row.id,
    );

  it("holds up to its limit and links the next one", () => {
    const { body, headers } = cut("2");
    expect(body.items).toEqual(["r3", "r2"]);
    expect(body.next_cursor).toBe(encodeCursor({ created_at: 2, id: "r2" }, PATH, "desc"));
    expect(headers.Link).toBe(
      `<${PATH}?limit=2&state=queued&cursor=${body.next_cursor}>; rel="next"`,
    );
  });

  it("is the last one without a cursor", () => {
    expect(cut("3")).toEqual({
      body: { items: ["r3", "r2", "r1"], next_cursor: null },
      headers: {},
    });
  });

  it("becomes SQL on (created_at, id)", () => {
    const cursor = encodeCursor({ created_at: 5, id: "a" }, PATH, "asc");
    const parsed = query.parse({ cursor, order: "asc", created_before: "1970-01-01T00:00:01Z" });
    expect(pageSql(readPage(parsed, LIST))).toEqual({
      where: ["(created_at, id) > (?, ?)", "created_at < ?"],
      parameters: [5, "a", 1000],
      tail: "ORDER BY created_at ASC, id ASC LIMIT 51",
    });
  });
});
