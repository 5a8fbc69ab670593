import { describe, expect, it } from "vitest";
import { missingPieces } from "./missing-pieces.ts";

describe("missingPieces", () => {
  it.each([
    ["nothing, of what came whole", ["one\n", "two\n"], "one\ntwo\n", []],
    ["everything, of what did not come", [], "one\n", [{ text: "one\n", before: 0 }]],
    ["the end", ["one\n"], "one\ntwo\n", [{ text: "two\n", before: 0 }]],
    ["the beginning", ["two\n"], "one\ntwo\n", [{ text: "one\n", before: 4 }]],
    [
      "what was left out in between, and the end",
      ["a", "c", "d"],
      "abcde",
      [
        { text: "b", before: 2 },
        { text: "e", before: 0 },
      ],
    ],
    ["one of two lines that are the same", ["x\n"], "x\nx\n", [{ text: "x\n", before: 0 }]],
    ["nothing in place of what another wrote", ["a", "foreign", "b"], "ab", []],
  ])("finds %s", (_, chunks, whole, pieces) => {
    expect(missingPieces(chunks, whole)).toEqual(pieces);
  });
});
