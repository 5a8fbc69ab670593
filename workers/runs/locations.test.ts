import { describe, expect, it } from "vitest";
import { candidatesOf, findMentions, locationsOf, MAX_LOCATIONS, type Stand } from "./locations.ts";

const STAND: Stand = { path: "code", working_directory: null };
const place = (path: string, line: number, column: number | null = null) => ({
  path,
  line,
  column,
});

describe("places that a text names", () => {
  it.each([
    [
      "JavaScript",
      "    at run (/workspace/code/src/a.ts:3:15)",
      place("/workspace/code/src/a.ts", 3, 15),
    ],
    [
      "a module of JavaScript",
      "    at async file:///tmp/w/code/src/a.mjs:10:5",
      place("/tmp/w/code/src/a.mjs", 10, 5),
    ],
    [
      "Python",
      '  File "/home/user/code/app/main.py", line 42, in handler',
      place("/home/user/code/app/main.py", 42),
    ],
    ["pytest", "tests/test_a.py:12: AssertionError", place("tests/test_a.py", 12)],
    [
      "a panic of Go",
      "\t/workspace/code/cmd/main.go:21 +0x1d",
      place("/workspace/code/cmd/main.go", 21),
    ],
    ["go test", "    cart_test.go:17: got 3, want 4", place("cart_test.go", 17)],
    ["a panic of Rust", "thread 'main' panicked at src/main.rs:2:5:", place("src/main.rs", 2, 5)],
    ["rustc", "  --> src/lib.rs:8:13", place("src/lib.rs", 8, 13)],
    ["Java", "\tat com.shop.Cart.total(Cart.java:12)", place("*/com/shop/Cart.java", 12)],
    [
      "a module of Java",
      "\tat app//com.shop.Cart$Item.<init>(Cart.java:7)",
      place("*/com/shop/Cart.java", 7),
    ],
    ["Kotlin", "\tat com.shop.MainKt.main(Main.kt:3)", place("*/com/shop/Main.kt", 3)],
    ["gcc", "src/a.c:3:5: error: expected ';' before 'x'", place("src/a.c", 3, 5)],
    ["tsc", "src/a.ts(3,5): error TS2304: Cannot find name 'x'.", place("src/a.ts", 3, 5)],
    ["Ruby", "app/a.rb:9:in `total': undefined method", place("app/a.rb", 9)],
    [
      "PHP",
      "PHP Fatal error:  Uncaught Error in /w/code/a.php on line 4",
      place("/w/code/a.php", 4),
    ],
    [".NET", "   at Shop.Cart.Total() in /w/code/Cart.cs:line 31", place("/w/code/Cart.cs", 31)],
    [
      "a folder with a space",
      "    at f (/workspace/code/my lib/a.js:1:2)",
      place("/workspace/code/my lib/a.js", 1, 2),
    ],
  ])("are read as %s writes them", (_, line, expected) => {
    expect(findMentions(line)).toContainEqual(expected);
  });

  it.each([
    "it took 12:30:05",
    "http://example.com:8080/x",
    "see docs at 10:3",
    "a: b: 3",
    "x".repeat(3_000),
  ])("are not seen in %s", (text) => {
    const tree = { "example.com": "example.com" };
    const url = (path: string) => ({ path, url: path });
    expect(locationsOf(findMentions(text), STAND, tree, url, 1)).toEqual([]);
  });

  it("are few, however long the text is", () => {
    const text = Array.from({ length: 5_000 }, (_, n) => `a/b${n}.ts:${n + 1}:1`).join("\n");
    expect(findMentions(text).length).toBeLessThanOrEqual(200);
  });

  it("are found in time that grows with the text alone", () => {
    const lines = [
      `${"a.".repeat(499)} `,
      "((/".repeat(330),
      `at ${"a.".repeat(490)}`,
      "a/".repeat(499),
    ];
    const hard = Array.from({ length: 200 }, (_, n) => lines[n % lines.length]).join("\n");
    const began = performance.now();
    findMentions(hard);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe("paths of the tree", () => {
  it.each([
    ["/workspace/code/src/a.ts", STAND, "src/a.ts"],
    ["code/src/a.ts", STAND, "src/a.ts"],
    ["./src/a.ts", STAND, "src/a.ts"],
    ["src/a.ts", { path: "code", working_directory: "code/pkg" }, "pkg/src/a.ts"],
    [
      "/home/user/workspace/vendor/shop/x/y.py",
      { path: "vendor/shop", working_directory: null },
      "x/y.py",
    ],
  ] as const)("%s is %3$s", (path, stand, expected) => {
    expect(candidatesOf(path, stand)[0]).toBe(expected);
  });

  it("are also looked for by their ends, as the code may have been copied", () => {
    expect(candidatesOf("/tmp/build/src/a.ts", STAND)).toEqual([
      "tmp/build/src/a.ts",
      "build/src/a.ts",
      "src/a.ts",
    ]);
  });

  it.each(["../../etc/x.ts", "/w/code/node_modules/x/index.js", "/usr/lib/site-packages/a/b.py"])(
    "are none for %s",
    (path) => expect(candidatesOf(path, STAND)).toEqual([]),
  );
});

describe("locations", () => {
  const url = (path: string, line: number) => ({ path, url: `/files/${path}#L${line}` });

  it("are those that the tree has, each line once, in the order of the text", () => {
    const text = [
      "Error: boom",
      "    at total (/workspace/code/src/cart.ts:3:9)",
      "    at node:internal/main:1:1",
      "    at /usr/lib/other/cart.ts:1:1",
      "    at main (/workspace/code/src/main.ts:9:2)",
      "src/cart.ts:3 again",
    ].join("\n");
    const known = { "src/cart.ts": "src/cart.ts", "src/main.ts": "src/main.ts" };
    expect(locationsOf(findMentions(text), STAND, known, url, 7)).toEqual([
      { path: "src/cart.ts", line: 3, column: 9, snapshot: 7, url: "/files/src/cart.ts#L3" },
      { path: "src/main.ts", line: 9, column: 2, snapshot: 7, url: "/files/src/main.ts#L9" },
    ]);
  });

  it("are twenty at most", () => {
    const mentions = Array.from({ length: 50 }, (_, n) => place("a/b.ts", n + 1));
    expect(locationsOf(mentions, STAND, { "a/b.ts": "a/b.ts" }, url, 1)).toHaveLength(
      MAX_LOCATIONS,
    );
  });
});
