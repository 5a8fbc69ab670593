import fc from "fast-check";
import { describe, expect, it } from "vitest";
import convert from "./convert.ts";
import { partOf, readPath } from "./select.ts";

describe("data", () => {
  it("comes back through YAML as it was", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const data = JSON.stringify(value);
        const { text } = convert({ data, from: "json", to: "yaml" });
        const back = convert({ data: text, from: "yaml", to: "json", indent: 0 });
        expect(JSON.parse(back.text)).toEqual(JSON.parse(data));
      }),
    );
  });

  it("comes back through CSV with its types where they can be told", () => {
    const rows = [
      { id: 1, ok: true, note: 'a "b",\nc', nothing: null },
      { id: -2.5, ok: false, note: "007", nothing: null },
    ];
    const { text } = convert({ data: JSON.stringify(rows), from: "json", to: "csv" });
    const back = convert({ data: text, from: "csv", to: "json", infer: true });
    expect(JSON.parse(back.text)).toEqual(rows);
    expect(back.rows).toBe(2);
  });

  it("has a column for each member of any row, and JSON where a value has parts", () => {
    const data = JSON.stringify([{ a: 1 }, { b: [1, { c: 2 }] }]);
    const { text } = convert({ data, from: "json", to: "csv" });
    expect(text).toBe('a,b\r\n1,\r\n,"[1,{""c"":2}]"\r\n');
  });

  it("is read as lists without a header, and written so", () => {
    const { text } = convert({
      data: "1,2\n3\n",
      from: "csv",
      to: "json",
      header: false,
      indent: 0,
    });
    expect(text).toBe('[["1","2"],["3"]]\n');
    const csv = convert({ data: '[{"a":1}]', from: "json", to: "csv", header: false });
    expect(csv.text).toBe("1\r\n");
  });

  it.each([
    [{ data: "a,a\n1,2\n", from: "csv" }, 'The column "a" is there twice'],
    [{ data: "a,b\n1\n", from: "csv" }, "Line 2: It has 1 fields, and there are 2 columns"],
    [{ data: "a: [", from: "yaml" }, "at line 1"],
    [{ data: "{", from: "json" }, "JSON"],
    [{ data: "{}", from: "json", select: "a.b" }, '"a.b" leads nowhere'],
    [{ data: "{}", from: "json", select: "a[" }, "goes wrong at character 2"],
  ] as const)("is refused that is no such: %j", (inputs, message) => {
    expect(() => convert({ to: "json", ...inputs })).toThrow(message);
  });

  it("refuses a bomb of aliases", () => {
    const names = "abcdefghi".split("");
    const lines = names.map((name, index) => {
      const before = names[index - 1];
      const inner = before === undefined ? '"lol"' : `*${before}`;
      return `${name}: &${name} [${Array(9).fill(inner).join(",")}]`;
    });
    expect(() => convert({ data: lines.join("\n"), from: "yaml", to: "json" })).toThrow("alias");
  });
});

describe("a path", () => {
  const value = { a: { b: [10, { "odd.name": 1, 'q"': 2 }] }, "": 3 };

  it.each([
    ["a.b[0]", 10],
    ['a.b[1]["odd.name"]', 1],
    ['["a"].b[1]["q\\""]', 2],
    ['[""]', 3],
    ["a.b[2]", undefined],
    ["a.constructor", undefined],
    ["a.b.length", undefined],
  ])("%s leads to %j", (path, expected) => {
    expect(partOf(value, readPath(path))).toEqual(expected);
  });

  it.each(["a..b", "a[x]", "a]b", 'a["b', "a[0]b"])("%s is none", (path) => {
    expect(() => readPath(path)).toThrow("is no path");
  });
});
