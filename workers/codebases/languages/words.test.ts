import { expect, test } from "vitest";
import { bodyWords, identifierWords, pathWords, splitIdentifier } from "./words.ts";

test.each([
  ["parseHTTPHeader_v2", ["parse", "http", "header", "v", "2"]],
  ["snake_case_name", ["snake", "case", "name"]],
  ["SCREAMING_CASE", ["screaming", "case"]],
  ["$scope", ["scope"]],
  ["größeMax", ["größe", "max"]],
  ["日本語Name", ["日本語", "name"]],
  ["__", []],
  ["", []],
])("splits %s", (identifier, words) => {
  expect(splitIdentifier(identifier)).toEqual(words);
});

test("keeps an identifier whole beside its words", () => {
  expect(identifierWords("parseBatch")).toBe("parsebatch parse batch");
  expect(identifierWords("parse")).toBe("parse");
});

test("takes the words of a path without its ending", () => {
  expect(pathWords("src/http-kit/readBody.test.ts")).toBe("src http kit read body test");
  expect(pathWords(".env")).toBe("");
});

test("bounds the words of a body and does not repeat what is known", () => {
  expect(bodyWords("const parsed = parseAll(files); x", new Set(["files"]))).toBe(
    "const parsed parse all",
  );
  const many = Array.from({ length: 5_000 }, (_, i) => `name${"abcdefghij"[i % 10]}${i}`).join(" ");
  expect(bodyWords(many, new Set()).length).toBeLessThanOrEqual(2_000);
});
