import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseOutputFile } from "./output-file.ts";

describe("parseOutputFile", () => {
  it.each([
    ["an empty file", "", null],
    ["white space", " \n\n", null],
    ["a JSON object", '{"a": [1, true, null]}\n', { a: [1, true, null] }],
    ["a JSON number", "42\n", 42],
    ["a JSON string over several lines of white space", '\n"text"\n', "text"],
    ["one key", "version=1.2.3\n", { version: "1.2.3" }],
    ["several keys and blank lines", "a=1\n\nb=two words\r\n", { a: "1", b: "two words" }],
    ["an equals sign in the value", "url=https://x/?a=b\n", { url: "https://x/?a=b" }],
    ["an empty value", "none=\n", { none: "" }],
    ["surrounding spaces in the value", "a= x \n", { a: " x " }],
    ["the last of two values", "a=1\na=2\n", { a: "2" }],
    [
      "a block",
      "notes<<EOF\nline 1\nb=2\n\nline 3\nEOF\nlast=1\n",
      { notes: "line 1\nb=2\n\nline 3", last: "1" },
    ],
    ["an empty block", "notes<<EOF\nEOF\n", { notes: "" }],
    ["a value with << in it", "expression=1<<2\n", { expression: "1<<2" }],
    ["a key that an object inherits", "constructor=x\n", { constructor: "x" }],
  ])("reads %s", (_, text, result) => {
    expect(parseOutputFile(text)).toEqual({ ok: true, result });
  });

  it.each([
    ["a line without =", "a=1\njust text\n", /line 2: "just text" is not an output/],
    ["a bad key", "a b=1\n", /line 1/],
    ["an open block", "a<<END\nvalue\n", /"a" has no closing END/],
    ["malformed JSON", '{"a": 1,}\n', /malformed JSON/],
  ])("explains %s", (_, text, message) => {
    const outcome = parseOutputFile(text);
    expect(outcome).toMatchObject({ ok: false });
    if (!outcome.ok) expect(outcome.message).toMatch(message);
  });

  it("reads back any JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseOutputFile(text)).toEqual({ ok: true, result: JSON.parse(text) });
      }),
    );
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseOutputFile(text)));
  });
});
