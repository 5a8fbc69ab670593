/** Searches by structure against sets that were read off the fixtures by hand. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { LanguageId } from "./registry.ts";
import { searchStructure } from "./structure.ts";

const TYPESCRIPT = `// 😀 console.log(comment)
import { log } from "./log.ts";
console.log(1);
export class Cart {
  total = 0;
  add(item: Item) {
    console.log("adding", item);
    if (item.price > 0) { this.total += item.price; }
    return await save(item);
  }
}
const text = "console.log(2)";
console
  .log( /* spread */ text );
if (text) { throw new Error("no 😀"); } console.log(text)
`;

const PYTHON = `import os
# print(comment)
def load(path):
    print(path)
    return os.path.join(path, "print(1)")

class Store:
    def save(self, key, value=None):
        print(key, value)
        self.rows[key] = value

def empty(): return None
`;

const GO = `package main

import "fmt"

func main() {
	fmt.Println("a")
	err := run(1, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	// fmt.Println("comment")
	fmt.Printf("%d", 1)
	if err == nil { fmt.Println("b", 2) }
}
`;

const find = async (language: LanguageId, pattern: string, ...texts: string[]) => {
  const answer = await searchStructure(env.LOADER, language, { pattern, texts, max_places: 100 });
  if (answer.status === "invalid") return answer;
  return answer.places.map(
    (places, index) => places?.map(([start, end]) => texts[index]?.slice(start, end)) ?? null,
  );
};

describe("a pattern", () => {
  it.each<[LanguageId, string, string, string[]]>([
    [
      "typescript",
      "console.log($A)",
      TYPESCRIPT,
      ["console.log(1)", "console\n  .log( /* spread */ text )", "console.log(text)"],
    ],
    [
      "typescript",
      "console.log($$$)",
      TYPESCRIPT,
      [
        "console.log(1)",
        'console.log("adding", item)',
        "console\n  .log( /* spread */ text )",
        "console.log(text)",
      ],
    ],
    ["typescript", "console.log(1)", TYPESCRIPT, ["console.log(1)"]],
    ["typescript", "await $F($$$)", TYPESCRIPT, ["await save(item)"]],
    ["typescript", "throw new Error($M)", TYPESCRIPT, ['throw new Error("no 😀");']],
    ["typescript", "$A += $B", TYPESCRIPT, ["this.total += item.price"]],
    ["typescript", "$A == $A", "a == a; a == b; f(x) == f(x);", ["a == a", "f(x) == f(x)"]],
    ["python", "print($A)", PYTHON, ["print(path)"]],
    ["python", "print($$$)", PYTHON, ["print(path)", "print(key, value)"]],
    ["python", "def $F($$$): return $X", PYTHON, ["def empty(): return None"]],
    ["python", "os.path.join($$$ARGS)", PYTHON, ['os.path.join(path, "print(1)")']],
    ["python", "self.rows[$K] = $V", PYTHON, ["self.rows[key] = value"]],
    ["go", "fmt.Println($A)", GO, ['fmt.Println("a")', "fmt.Println(err)"]],
    ["go", "fmt.Println($$$)", GO, ['fmt.Println("a")', "fmt.Println(err)", 'fmt.Println("b", 2)']],
    ["go", "if err != nil { $$$ }", GO, ["if err != nil {\n\t\tfmt.Println(err)\n\t\treturn\n\t}"]],
    ["go", "$A := run($$$)", GO, ["err := run(1, 2)"]],
    ["c", "printf($$$)", 'int main() { printf("a"); puts("b"); return 0; }', ['printf("a")']],
    ["java", "$A.get($K)", "class A { int f() { return map.get(1) + get(2); } }", ["map.get(1)"]],
    ["php", "strlen($A)", "<?php\necho strlen($x) + foo($y);\n", ["strlen($x)"]],
    ["css", "color: $A", "a { color: red; margin: 0; }", ["color: red;"]],
    [
      "rust",
      "$A.unwrap()",
      "fn f() { a.unwrap(); b.c().unwrap(); }",
      ["a.unwrap()", "b.c().unwrap()"],
    ],
  ])("of %s: %s", async (language, pattern, text, expected) => {
    expect(await find(language, pattern, text)).toEqual([expected]);
  });

  it.each<[LanguageId, string, number | null]>([
    ["typescript", "if (", 0],
    ["typescript", "console.log($A", 0],
    ["typescript", "a; b", null],
    ["typescript", "   ", null],
    ["python", "for (", 0],
    ["go", "func (", 0],
    ["typescript", "f($A, ]", null],
  ])("of %s is refused when it is no code: %s", async (language, pattern, at) => {
    const answer = await find(language, pattern, "");
    expect(answer).toMatchObject({ status: "invalid" });
    if (at !== null) expect(answer).toMatchObject({ at });
  });

  it.each([
    '"); process.exit(); ("',
    "${globalThis.constructor}",
    '\\"}],"max_places":1e9',
    "`${fetch('http://127.0.0.1')}`",
    "__proto__",
    "constructor",
    "\u0000",
    "$".repeat(500),
    "(".repeat(4_000),
  ])("is text and never code that runs: %s", async (pattern) => {
    const answer = await find("typescript", pattern, "let a = 1;\n");
    if (Array.isArray(answer)) expect(answer).toEqual([[]]);
    else expect(answer.status).toBe("invalid");
    expect(await find("typescript", "let $A = 1", "let a = 1;\n")).toEqual([["let a = 1;"]]);
  });

  it("finds the same in large code as in small, where its words are and nested", async () => {
    const filler = "other(1, 2, 3); ".repeat(100);
    const within = `function g() { ${filler} if (a) { f(f(1)); ${filler} } return f(2); }`;
    const text = `${filler}\n${within}\nclass C { m() { ${filler} f(3) } }\n${filler}\nf(4);`;
    const few = "f(f(1)); return_(f(2)); f(3); f(4);";
    const small = await find("typescript", "f($A)", few);
    expect(await find("typescript", "f($A)", text)).toEqual(small);
    const named = (code: string) => code.replaceAll(/\bf\(/g, "wanted(");
    const [found] = Array.isArray(small) ? small : [];
    expect(await find("typescript", "wanted($A)", named(text))).toEqual([
      found?.map((one) => named(one ?? "")),
    ]);
    const whole = await find("typescript", "class C { $$$ }", text);
    expect(whole).toEqual([[expect.stringMatching(/^class C \{.* f\(3\) \} \}$/)]]);
  });

  it("finds as many places as are asked for, in each text", async () => {
    const answer = await searchStructure(env.LOADER, "typescript", {
      pattern: "f($A)",
      texts: ["f(1); f(2); f(3);", "", "f(4)"],
      max_places: 2,
    });
    expect(answer).toEqual({
      status: "found",
      places: [
        [
          [0, 4],
          [6, 10],
        ],
        [],
        [[0, 4]],
      ],
    });
  });
});

describe("an isolate that goes down", () => {
  const loaderOf = (body: string): WorkerLoader => {
    const code: WorkerLoaderWorkerCode = {
      compatibilityDate: "2026-11-01",
      mainModule: "main.js",
      modules: { "main.js": `export default { async fetch(request) { ${body} } };` },
      env: {},
      globalOutbound: null,
    };
    return { get: () => env.LOADER.load(code), load: () => env.LOADER.load(code) };
  };
  const request = { pattern: "f($A)", texts: ["a", "b"], max_places: 2 };

  it.each([
    ["before it answers", 'throw new Error("gone")', [null, null]],
    ["in the middle", 'return new Response(\'{"index":0,"places":[]}\\n\')', [[], null]],
    ["with nonsense", 'return new Response(\'{"index":0,"places":7}\\n\')', [null, null]],
    [
      "answering what was not asked",
      'return new Response(\'{"index":7,"places":[]}\\n{"done":true}\\n\')',
      [null, null],
    ],
  ])("%s leaves texts without an answer", async (_, body, places) => {
    const answer = await searchStructure(loaderOf(body), "typescript", request);
    expect(answer).toEqual({ status: "found", places });
  });
});
