import { describe, expect, it } from "vitest";
import type { CacheRequest } from "./ports.ts";
import { changedFiles, countFiles, mountsOf, type TakenFiles } from "./taken-files.ts";

const REQUEST: CacheRequest = { parts: { code: "x" }, taken: {}, ttl_ms: null };

/** What a step kept, by path; null is a file without a digest. */
function taken(
  files: Readonly<Record<string, string | null>>,
  more: Partial<TakenFiles> & { readonly run?: number } = {},
): TakenFiles {
  const { run = 1, ...rest } = more;
  return {
    step: "make",
    made_by: { resource_id: "p", run, step: 0, epoch: 1 },
    folder: "",
    files: Object.entries(files).map(([path, sha256]) => ({ path, key: `${run}/${path}`, sha256 })),
    ...rest,
  };
}

const count = (...sources: readonly TakenFiles[]) => countFiles(REQUEST, sources);
const addressOf = (...sources: readonly TakenFiles[]) => count(...sources).parts;
const changes = (before: readonly TakenFiles[], now: readonly TakenFiles[]) =>
  changedFiles(count(...before).taken ?? {}, count(...now).taken ?? {});

describe("files taken from earlier steps", () => {
  it("go below the folder that is asked for", () => {
    const sources = [taken({ "a/b": "1" }), taken({ c: "2" }, { folder: "in", run: 2 })];
    expect(mountsOf(sources)).toEqual([
      { path: "a/b", key: "1/a/b" },
      { path: "in/c", key: "2/c" },
    ]);
  });

  it("count by path and content, whoever made them and in whatever order", () => {
    const base = addressOf(taken({ a: "1", b: "2" }));
    expect(base.code).toBe("x");
    expect(addressOf(taken({ b: "2", a: "1" }, { run: 7 }))).toEqual(base);
    expect(addressOf(taken({ b: "2" }), taken({ a: "1" }, { step: "other" }))).toEqual(base);
    for (const other of [
      taken({ a: "1", b: "3" }),
      taken({ a: "1" }),
      taken({ a: "2", b: "1" }),
      taken({ a: "1", b: "2" }, { folder: "in" }),
    ]) {
      expect(addressOf(other)).not.toEqual(base);
    }
  });

  it("count as the workspace has them when two are at one path", () => {
    const [first, second] = [taken({ a: "1" }), taken({ a: "2" }, { step: "other" })];
    expect(addressOf(first, second)).toEqual(addressOf(taken({ a: "2" })));
    expect(addressOf(second, first)).toEqual(addressOf(taken({ a: "1" })));
  });

  it("count as nothing when there are none, and not at all beside a key", () => {
    expect(addressOf(taken({}))).toEqual(addressOf());
    const keyed: CacheRequest = { ...REQUEST, taken: null };
    expect(countFiles(keyed, [taken({ a: "1" })])).toBe(keyed);
  });

  it("count by their maker when one has no digest, and by the order of steps then", () => {
    const old = taken({ a: "1", b: null });
    expect(addressOf(old)).toEqual(addressOf(taken({ a: "1", b: null })));
    expect(addressOf(old)).not.toEqual(addressOf(taken({ a: "1", b: null }, { run: 2 })));
    const known = taken({ b: "2" }, { step: "other" });
    expect(addressOf(old, known)).not.toEqual(addressOf(known, old));
    expect(changes([old], [taken({ a: "1", b: "2" })])).toEqual(["use_artifacts: make"]);
  });
});

describe("what changed among them", () => {
  it("is named by step and path", () => {
    const before = [
      taken({ a: "1", b: "1", constructor: "1" }),
      taken({ x: "1" }, { step: "each[0]" }),
    ];
    const now = [taken({ a: "1", b: "2", toString: "1" }), taken({ x: "2" }, { step: "each[0]" })];
    expect(changes(before, now)).toEqual([
      "use_artifacts: each[0]/x",
      "use_artifacts: make/b",
      "use_artifacts: make/constructor",
      "use_artifacts: make/toString",
    ]);
    expect(changes(before, before)).toEqual([]);
  });

  it("is named by step where that is new, or its files are too many to note", () => {
    expect(changes([], [taken({ a: "1" })])).toEqual(["use_artifacts: make"]);
    const many = (digest: string) =>
      Object.fromEntries(Array.from({ length: 2_001 }, (_, n) => [`${n}`, digest]));
    expect(changes([taken(many("1"))], [taken(many("2"))])).toEqual(["use_artifacts: make"]);
  });

  it("is cut short when it is much", () => {
    const many = (digest: string) =>
      Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`${n}`, digest]));
    const names = changes([taken(many("1"))], [taken(many("2"))]);
    expect(names).toHaveLength(21);
    expect(names.at(-1)).toBe("use_artifacts: 10 more");
  });
});
