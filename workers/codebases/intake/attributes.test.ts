import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Attributes, type AttributesFile, isAttributesFile } from "./attributes.ts";
import { git, inFolder, run } from "./test-support.ts";

const top = (content: string) => new Attributes([{ path: ".gitattributes", content }]);

/** What git says of every attribute it knows of a path: `path: name: value`. */
function askGit(folder: string, paths: readonly string[]): Map<string, Record<string, string>> {
  const output = run(folder, "git", ["check-attr", "-a", "-z", "--stdin"], paths.join("\0"));
  const said = new Map<string, Record<string, string>>(paths.map((path) => [path, {}]));
  const fields = output.toString().split("\0");
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = "", name = "", value = ""] = fields.slice(at, at + 3);
    Object.assign(said.get(path) ?? {}, { [name]: value });
  }
  return said;
}

function spelled(state: string | boolean): string {
  if (typeof state === "string") return state;
  return state ? "set" : "unset";
}

function expectAsGit(folder: string, files: readonly AttributesFile[], paths: readonly string[]) {
  for (const { path, content } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const attributes = new Attributes(files);
  for (const [path, expected] of askGit(folder, paths)) {
    const ours = [...attributes.of(path)].map(([name, state]) => [name, spelled(state)]);
    expect(Object.fromEntries(ours), `${path} under ${JSON.stringify(files)}`).toEqual(expected);
  }
}

const PATHS = [
  "a",
  "a.js",
  "b.min.js",
  "src/a.js",
  "src/lib/a.js",
  "src/lib/b.c",
  "lib/x",
  "x/lib/y",
  "foo/bar/baz",
  "foo/baz",
  "a b",
  "ü.txt",
  "[x]",
  "src/.gitattributes",
  "docs/a/b/c.md",
  "A.JS",
  "x*y",
  "src",
  "#c",
];

describe("attributes", () => {
  it("are those of git, for the patterns that people write", async () => {
    const lines = [
      "*.js text eol=lf",
      "/a.js one",
      "src/*.js two",
      "src/**/a.js three",
      "**/lib/** four",
      "lib five",
      "lib/ six",
      "foo/**/baz seven",
      "/**/b.c eight",
      "docs/** nine",
      "**/c.md ten",
      "[ab].js eleven",
      "[!a]* twelve",
      "[[:upper:]]* thirteen",
      '"a b" fourteen',
      '"\\303\\274.txt" fifteen',
      "\\[x\\] sixteen",
      "!a.js seventeen",
      "x\\*y eighteen",
      "*.min.js -text binary",
      "b* !eol -diff",
      "src/lib/?.c nineteen=val",
      "*.[ch] twenty",
      "  indented twentyone",
      "# comment",
      "a** star",
      "f**/baz star2",
      "src/l** star3",
      "\\#c hash",
      "[a-",
      "a\\",
      "[]x]* bracket",
      "foo*baz cross",
      "src/*/a.js one-level",
      "*/a.js depth",
    ];
    await inFolder((folder) => {
      git(folder, "init", "-q");
      expectAsGit(folder, [{ path: ".gitattributes", content: lines.join("\n") }], PATHS);
      for (const line of lines) {
        expectAsGit(folder, [{ path: ".gitattributes", content: `${line}\n` }], PATHS);
      }
    });
  });

  it("come from the nearest file, and from macros of the top", async () => {
    const files = [
      {
        path: ".gitattributes",
        content:
          "[attr]gen linguist-generated -diff\n*.js gen\n*.c binary\n* text=auto\nsrc/lib/a.js linguist-generated=false\n",
      },
      {
        path: "src/.gitattributes",
        content: "[attr]none x\n*.js -gen\n/a.js text\nlib/*.c !binary diff\n",
      },
      { path: "src/lib/.gitattributes", content: "a.js gen=maybe\n" },
    ];
    await inFolder((folder) => {
      git(folder, "init", "-q");
      expectAsGit(folder, files, PATHS);
    });
  });

  it("are those of git for any patterns", async () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      ".js",
      "*",
      "**",
      "/",
      "?",
      "[ab]",
      "[!a]",
      "src",
      "lib",
      "\\*",
      "**/",
    );
    const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
    const state = fc.constantFrom("x", "-x", "!x", "x=1", "y", "binary", "-binary", "text");
    const line = fc.tuple(pattern, fc.array(state, { minLength: 1, maxLength: 3 }));
    const content = fc
      .array(line, { maxLength: 5 })
      .map((lines) => lines.map(([glob, states]) => `${glob} ${states.join(" ")}\n`).join(""));
    await inFolder((folder) => {
      git(folder, "init", "-q");
      fc.assert(
        fc.property(content, content, (above, below) => {
          const files = [
            { path: ".gitattributes", content: above },
            { path: "src/.gitattributes", content: below },
          ];
          expectAsGit(folder, files, PATHS);
        }),
        { numRuns: 120 },
      );
    });
  });

  it("match in little time whatever the pattern", () => {
    const attributes = top(`${"*a".repeat(400)}b x\n${"**/a/".repeat(200)}b y\n`);
    expect(attributes.of("a".repeat(1_000)).size).toBe(0);
    expect(attributes.of("a/".repeat(500)).size).toBe(0);
  });

  it("tell linguist what a file is", () => {
    const attributes = top(
      "dist/* linguist-generated\nvendor/** linguist-vendored=true\n*.md -linguist-documentation\n" +
        "*.inc linguist-language=PHP linguist-detectable=false\n*.dat binary\n",
    );
    expect(attributes.linguist("dist/a.js")).toEqual({ generated: true });
    expect(attributes.linguist("vendor/a/b.js")).toEqual({ vendored: true });
    expect(attributes.linguist("a.md")).toEqual({ documentation: false });
    expect(attributes.linguist("a.inc")).toEqual({ language: "PHP", detectable: false });
    expect(attributes.linguist("a.dat")).toEqual({ binary: true });
    expect(attributes.linguist("a.js")).toEqual({});
  });

  it("are read from files of one name", () => {
    expect(isAttributesFile("a/.gitattributes")).toBe(true);
    expect(isAttributesFile("a.gitattributes")).toBe(false);
  });
});
