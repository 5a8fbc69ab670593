import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bodyWords, identifierWords, splitIdentifier } from "../languages/words.ts";
import { queryWords, quoteForFts, wordExpression } from "./identifiers.ts";

describe("an identifier", () => {
  it.each<[string, string]>([
    ["parseQuery", "parse query"],
    ["ParseHTTPResponse", "parse http response"],
    ["HTTPServer2Go", "http server 2 go"],
    ["snake_case_name", "snake case name"],
    ["kebab-case", "kebab case"],
    ["SCREAMING_SNAKE", "screaming snake"],
    ["utf8Decoder", "utf 8 decoder"],
    ["__init__", "init"],
    ["$scope", "scope"],
    ["XMLHttpRequest", "xml http request"],
    ["getID", "get id"],
    ["getÜberName", "get über name"],
    ["日本語parse", "日本語 parse"],
    ["a", "a"],
    ["", ""],
    ["___", ""],
  ])("%s", (identifier, expected) => {
    expect(splitIdentifier(identifier).join(" ")).toBe(expected);
  });

  it("is indexed in words and whole", () => {
    expect(identifierWords("parseQuery")).toBe("parsequery parse query");
    expect(bodyWords("func parseQuery(maxTokens)", new Set())).toBe("func parse query max tokens");
  });

  it("keeps every letter and digit", () => {
    const property = fc.property(fc.string({ unit: "grapheme" }), (text) => {
      // A final sigma is one by the letters around it, which a part of the text may not have.
      const letters = (each: string) =>
        each
          .toLowerCase()
          .replaceAll("ς", "σ")
          .replaceAll(/[^\p{L}\p{N}]/gu, "");
      expect(letters(splitIdentifier(text).join(""))).toBe(letters(text));
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});

describe("a question", () => {
  it("is asked by the words that tell something, once each", () => {
    expect(queryWords("How does the parseQuery function parse a query?")).toEqual([
      "parse",
      "query",
      "function",
    ]);
    expect(queryWords("what is it")).toEqual(["what", "is", "it"]);
    expect(
      queryWords(
        "w"
          .repeat(3)
          .split("")
          .map((_, index) => `w${"abc".charAt(index)}x`)
          .join(" "),
      ),
    ).toHaveLength(3);
  });
});

describe("a question to FTS5", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE VIRTUAL TABLE word USING fts5(body, tokenize='porter unicode61')");
  database
    .prepare("INSERT INTO word VALUES (?)")
    .run(bodyWords("function parseQueries(text)", new Set()));
  const search = database.prepare("SELECT rowid FROM word WHERE word MATCH ?");

  it("finds words in any form", () => {
    expect(wordExpression("where do we parse a query?", "AND")).toBe('"parse" AND "query"');
    expect(search.all('"parsing" AND "query"')).toHaveLength(1);
    expect(wordExpression("()", "OR")).toBeNull();
  });

  it("is no expression, whatever the text", () => {
    const piece = fc.constantFrom(
      '"',
      "'",
      "(",
      ")",
      "*",
      ":",
      "^",
      "-",
      "NEAR",
      "AND",
      "NOT",
      "\0",
      "a",
      "é",
      "{",
      "+",
      ",",
    );
    const property = fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
      const text = pieces.join(" ");
      expect(() => search.all(quoteForFts(text))).not.toThrow();
      const expression = wordExpression(text, "OR");
      if (expression !== null) expect(() => search.all(expression)).not.toThrow();
    });
    fc.assert(property, { numRuns: 1_000 });
  });
});
