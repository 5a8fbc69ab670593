import { describe, expect, it } from "vitest";
import find from "./find.ts";

const NOTHING = { files: { list: () => [], read: () => "" } };
const mounted = (files: Readonly<Record<string, string>>) => ({
  files: {
    list: (glob: string) => (glob === "code/**" ? Object.keys(files) : []),
    read: (path: string) => files[path] ?? "",
  },
});

const kindsIn = async (line: string) =>
  (await find({ files: { a: line } }, NOTHING)).todos.map(({ kind, owner, text }) =>
    [kind, owner, text].join("|"),
  );

describe("a note", () => {
  it.each([
    ["// TODO: a", "TODO||a"],
    ["x(); // see TODO(ada): a", "TODO|ada|a"],
    ["# FIXME @bob-1 a", "FIXME|bob-1|a"],
    ["<!-- HACK a -->", "HACK||a"],
    [" * XXX - a */", "XXX||a"],
    ["-- TODO", "TODO||"],
    ["# TODO(ada,bob): a", "TODO|ada,bob|a"],
  ])("is in %j", async (line, expected) => {
    expect(await kindsIn(line)).toEqual([expected]);
  });

  it.each(["const TODO = 1", "'TODO: a'", "# todo: a", "# TODOS", "# A-TODO", "# MY_TODO"])(
    "is not in %j",
    async (line) => {
      expect(await kindsIn(line)).toEqual([]);
    },
  );
});

describe("notes", () => {
  it("are found in what is mounted, by its own paths, but not in binary files", async () => {
    const files = { "code/src/a.ts": "\n// TODO: a\n", "code/b.bin": "// TODO \0" };
    const found = await find({ codebase: "shop" }, mounted(files));
    expect(found).toMatchObject({ total: 1, files: 1, skipped: 1, counts: { TODO: 1 } });
    expect(found.todos).toMatchObject([{ path: "src/a.ts", line: 2 }]);
  });

  it("are counted beyond those that are listed", async () => {
    const found = await find({ files: { a: "# TODO\n".repeat(9) }, limit: 2 }, NOTHING);
    expect([found.total, found.todos.length]).toEqual([9, 2]);
  });

  it("of a diff are those of added lines, at their numbers, whatever these look like", async () => {
    const diff = [
      "diff --git a/a b/a",
      "--- a/a",
      "+++ b/a",
      "@@ -1 +1,3 @@",
      "-# TODO: gone",
      "+# TODO: one",
      "+++ b/fake # TODO: two",
      "+x",
      "\\ No newline at end of file",
      "@@ -9,2 +11,3 @@ f()",
      " # TODO: kept",
      "+# TODO: three",
      " y",
      "--- a/b",
      "+++ /dev/null",
      "@@ -1 +0,0 @@",
      "-# TODO: deleted",
    ].join("\n");
    const { todos, files } = await find({ diff }, NOTHING);
    expect(todos.map(({ path, line, text }) => [path, line, text])).toEqual([
      ["a", 1, "one"],
      ["a", 2, "two"],
      ["a", 12, "three"],
    ]);
    expect(files).toBe(1);
  });
});
