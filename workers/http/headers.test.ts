import { describe, expect, it } from "vitest";
import { etag, isFresh, requireMatch } from "./conditional.ts";
import { preferredType } from "./negotiate.ts";
import { readPreference } from "./prefer.ts";
import { rangeHeaders, readRange } from "./range.ts";
import { formatEvent } from "./sse.ts";

describe("conditional requests", () => {
  it("match the version, any version, or one of several", () => {
    for (const header of [undefined, '"v7"', "*", '"v6", "v7"', 'W/"v7"']) {
      expect(() => requireMatch(header, 7)).not.toThrow();
    }
    for (const header of ['"v6"', "v7", '""', '"v77"']) {
      expect(() => requireMatch(header, 7), header).toThrow(
        expect.objectContaining({ code: "precondition_failed", headers: { ETag: '"v7"' } }),
      );
    }
    expect(isFresh(etag(7), 7)).toBe(true);
    expect(isFresh(etag(6), 7)).toBe(false);
    expect(isFresh(undefined, 7)).toBe(false);
  });
});

describe("Prefer", () => {
  it.each([
    [undefined, 30, null],
    ["", 30, null],
    ["wait=5", 5, "wait=5"],
    ["wait=0", 0, "wait=0"],
    ["wait=600", 60, "wait=60"],
    ['WAIT="7"', 7, "wait=7"],
    ["return=minimal, wait=9", 9, "wait=9"],
    ["respond-async, wait=9", 0, "respond-async"],
    ["wait=-1", 30, null],
    ["wait=soon", 30, null],
  ])("reads %j", (header, wait_seconds, applied) => {
    expect(readPreference(header)).toEqual({ wait_seconds, applied });
  });
});

describe("Range", () => {
  it.each([
    ["bytes=0-4", { offset: 0, length: 5 }],
    ["bytes=5-", { offset: 5, length: 5 }],
    ["bytes=-3", { offset: 7, length: 3 }],
    ["bytes=-30", { offset: 0, length: 10 }],
    ["bytes=8-100", { offset: 8, length: 2 }],
    [undefined, null],
    ["bytes=-", null],
    ["bytes=4-2", null],
    ["bytes=0-1,3-4", null],
    ["lines=0-1", null],
  ])("reads %j of ten bytes", (header, range) => {
    expect(readRange(header, 10)).toEqual(range);
  });

  it.each([
    ["bytes=10-", 10],
    ["bytes=-0", 10],
    ["bytes=0-", 0],
  ])("refuses %j of %d bytes", (header, size) => {
    expect(() => readRange(header, size)).toThrow(
      expect.objectContaining({
        code: "range_not_satisfiable",
        headers: { "Content-Range": `bytes */${size}` },
      }),
    );
  });

  it("is told in the response", () => {
    expect(rangeHeaders({ offset: 2, length: 3 }, 10)).toEqual({
      "Accept-Ranges": "bytes",
      "Content-Range": "bytes 2-4/10",
    });
  });
});

describe("Accept", () => {
  const offered = ["application/json", "text/html"] as const;
  it.each([
    [undefined, "application/json"],
    ["*/*", "application/json"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html"],
    ["text/*", "text/html"],
    ["application/json;q=0.5, text/html;q=0.6", "text/html"],
    ["text/html;q=0, */*", "application/json"],
    ["image/png", "application/json"],
  ])("%j prefers %s", (accept, expected) => {
    expect(preferredType(accept, offered)).toBe(expected);
  });
});

describe("an event on the wire", () => {
  it("keeps its lines apart and its fields on one line", () => {
    expect(formatEvent({ id: "3", event: "log", data: { a: 1 } })).toBe(
      'id: 3\nevent: log\ndata: {"a":1}\n\n',
    );
    expect(formatEvent({ data: "one\ntwo\r\nthree\r" })).toBe(
      "data: one\ndata: two\ndata: three\ndata: \n\n",
    );
    expect(formatEvent({ id: "1\nevent: forged", data: "" })).toBe(
      "id: 1event: forged\ndata: \n\n",
    );
  });
});
