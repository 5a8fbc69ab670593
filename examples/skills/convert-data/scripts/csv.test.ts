import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCsv, writeCsv } from "./csv.ts";

const COMMA = { delimiter: "," };
const fieldsOf = (text: string, options = COMMA) =>
  readCsv(text, options).map(({ fields }) => fields);

const field = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom('"', ",", ";", "\r", "\n", " ", "a", "\uFEFF") }),
);
const records = fc
  .integer({ min: 1, max: 5 })
  .chain((length) =>
    fc.array(fc.array(field, { minLength: length, maxLength: length }), { maxLength: 8 }),
  );

describe("CSV", () => {
  it("comes back as it was written, whatever the fields", () => {
    fc.assert(
      fc.property(records, fc.constantFrom(",", ";", "\t", "|"), (given, delimiter) => {
        expect(fieldsOf(writeCsv(given, { delimiter }), { delimiter })).toEqual(given);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each<[string, string, string[][]]>([
    [
      "the examples of RFC 4180",
      'aaa,bbb\r\n"b\r\nbb","c""cc"\r\n',
      [
        ["aaa", "bbb"],
        ["b\r\nbb", 'c"cc'],
      ],
    ],
    [
      "no line break at the end",
      "a,b\n1,2",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    ["a byte order mark", "\uFEFFa\n1\n", [["a"], ["1"]]],
    [
      "empty fields",
      ",\n,,\n",
      [
        ["", ""],
        ["", "", ""],
      ],
    ],
    ["one empty field, in quotes", '""\n', [[""]]],
    ["lines without anything", "a\n\n\r\nb\n", [["a"], ["b"]]],
    ["old line ends", "a\rb\r", [["a"], ["b"]]],
    ["nothing", "", []],
  ])("is read: %s", (_, text, expected) => {
    expect(fieldsOf(text)).toEqual(expected);
  });

  it.each([
    ["a quote that is not closed", 'a\n"b\n\n', "Line 2: The quote"],
    ["text behind a quoted field", 'a\n"b"c\n', "Line 2: A quoted field ends"],
    ["a quote within a plain field", '"x\ny",z\na"b\n', "Line 3: A field with a quote"],
  ])("is refused with the line: %s", (_, text, message) => {
    expect(() => readCsv(text, COMMA)).toThrow(message);
  });

  it("says on which line each record begins", () => {
    const lines = readCsv('a\n"b\nb"\n\nc\n', COMMA).map(({ line }) => line);
    expect(lines).toEqual([1, 2, 5]);
  });
});
