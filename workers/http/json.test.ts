import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { formatPath, MAX_REPORTED_ISSUES, toIssues } from "./issues.ts";
import { canonicalJson, findUnsafeJson, MAX_JSON_DEPTH } from "./json.ts";

describe("canonicalJson", () => {
  it("is the same text for the same document, whatever the order of its keys", () => {
    const shuffle = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffle);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, inner]) => [key, shuffle(inner)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const document: unknown = JSON.parse(JSON.stringify(value));
        const canonical = canonicalJson(document);
        expect(canonicalJson(shuffle(document))).toBe(canonical);
        expect(JSON.parse(canonical)).toEqual(document);
      }),
    );
  });

  it("tells different documents apart", () => {
    const documents = [
      null,
      undefined,
      0,
      "0",
      [],
      {},
      { a: 1 },
      { a: "1" },
      [1],
      [[1]],
      { a: [] },
    ];
    const texts = documents.filter((document) => document !== undefined).map(canonicalJson);
    expect(new Set(texts).size).toBe(texts.length);
  });
});

describe("findUnsafeJson", () => {
  it("accepts whatever JSON.stringify writes of ordinary values", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: "grapheme" }), (value) => {
        const document: unknown = JSON.parse(JSON.stringify(value));
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        expect(findUnsafeJson(document)).toEqual([]);
      }),
    );
  });

  it("finds each kind with its path", () => {
    const document: unknown = JSON.parse(
      '{"a":["\\ud800",1e999],"b":{"__proto__":1},"\\udfff":1,"ok":"\\ud83d\\ude00"}',
    );
    expect(findUnsafeJson(document).map(({ path }) => path)).toEqual([
      "a[0]",
      "a[1]",
      "b.__proto__",
      '["\\udfff"]',
    ]);
  });

  it("stops at the depth bound, which is far from exhausting the stack", () => {
    const nested = (depth: number): unknown =>
      JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);
    expect(findUnsafeJson(nested(MAX_JSON_DEPTH))).toEqual([]);
    expect(findUnsafeJson(nested(MAX_JSON_DEPTH + 1))).toHaveLength(1);
    expect(findUnsafeJson(nested(1_000_000))).toHaveLength(1);
  });
});

describe("issues", () => {
  const issuesOf = (schema: z.ZodType, value: unknown) => {
    const outcome = schema.safeParse(value);
    return outcome.success ? [] : toIssues(outcome.error);
  };

  it("write paths as people read them", () => {
    expect(formatPath(["tasks", 2, "files", "a.txt"])).toBe('tasks[2].files["a.txt"]');
    expect(formatPath(["files", "../../etc/passwd"])).toBe('files["../../etc/passwd"]');
    expect(formatPath(["labels", 'say "hi"', "x-y_1"])).toBe('labels["say \\"hi\\""].x-y_1');
    expect(formatPath([0, "a"])).toBe("[0].a");
    expect(formatPath([])).toBe("");
  });

  it("say of a union what was wrong with the branch that came closest", () => {
    const schema = z.object({
      step: z.union([
        z.string(),
        z.strictObject({ wait: z.strictObject({ seconds: z.number() }) }),
      ]),
    });
    const paths = issuesOf(schema, { step: { wait: { seconds: "1", extra: 1 } } }).map(
      ({ path }) => path,
    );
    expect(paths.sort()).toEqual(["step.wait.extra", "step.wait.seconds"]);
    expect(issuesOf(schema, { step: 3 }).map(({ path }) => path)).toEqual(["step"]);
  });

  it("are bounded, and say how many were left out", () => {
    const issues = issuesOf(z.array(z.number()), new Array(250).fill("x"));
    expect(issues).toHaveLength(MAX_REPORTED_ISSUES + 1);
    expect(issues.at(-1)?.message).toContain("150 more");
  });
});
