import { describe, expect, it } from "vitest";
import { registeredLanguage } from "../registry.ts";
import { docOf, firstSentence, signatureOf } from "./describe.ts";
import { Lines } from "./lines.ts";

function traits(id: string) {
  const language = registeredLanguage(id);
  if (language === undefined) throw new Error(`${id} is not registered`);
  return language.traits;
}

const docAbove = (text: string, language = "typescript") => {
  const lines = new Lines(text);
  return docOf(lines, lines.count - 1, null, traits(language));
};

describe("the comment of a definition", () => {
  it.each([
    ["/** Reads a file. Then more. */\nf", "Reads a file."],
    [
      "/**\n * Reads a file,\n * line by line.\n * @param x that\n */\nf",
      "Reads a file, line by line.",
    ],
    ["// Reads.\n// @ts-ignore\nf", "Reads."],
    ["/** Reads. */\n@decorated()\nf", "Reads."],
    ["/** Of something else. */\n\nf", null],
    ["x(); // trailing\nf", null],
    ["x(); /* trailing */\nf", null],
    ["/* never opened\nf", null],
    ["never opened */\nf", null],
    ["// e.g. this one, which goes on. Then.\nf", "e.g. this one, which goes on."],
    [`// ${"long ".repeat(100)}\nf`, `${"long ".repeat(39)}long…`],
  ])("of %j is %j", (text, doc) => {
    expect(docAbove(text)).toBe(doc);
  });

  it("is read in the marks of its language", () => {
    expect(docAbove("# Reads.\nf", "ruby")).toBe("Reads.");
    expect(docAbove("#!/bin/sh\nf", "bash")).toBeNull();
    expect(docAbove("--- Reads.\nf", "lua")).toBe("Reads.");
    expect(docAbove("/// <summary>Reads.</summary>\nf", "csharp")).toBe("Reads.");
    expect(docAbove('@doc """\nReads. More.\n"""\n@spec f() :: t\nf', "elixir")).toBe("Reads.");
    expect(docAbove("/// Reads.\n#[inline]\nf", "rust")).toBe("Reads.");
  });

  it("is a docstring where the language has them", () => {
    const text = 'def f():\n    """Reads.\n\n    More."""';
    expect(docOf(new Lines(text), 0, text.indexOf('"'), traits("python"))).toBe("Reads.");
  });

  it("is null when it says nothing", () => {
    expect(firstSentence(["/**", " *", " */"])).toBeNull();
    expect(firstSentence([])).toBeNull();
  });
});

describe("a signature", () => {
  const noComments = { lineComments: ["//"] };
  const of = (text: string, bodyAt: string | null, kind = "function") =>
    signatureOf(
      text,
      { kind, start: 0, end: text.length, body: bodyAt === null ? null : text.indexOf(bodyAt) },
      noComments,
    );

  it("ends before the body", () => {
    expect(of("f(\n  a: number,\n  // the other\n  b: string,\n): void {\n}", "{\n")).toBe(
      "f( a: number, b: string, ): void",
    );
    expect(of("x = (a) => a + 1", "a + 1")).toBe("x = (a)");
  });

  it("is bounded and does not cut a character in two", () => {
    expect(of(`type A = ${"🚀".repeat(500)}`, null, "type")).toMatch(/^type A = (🚀)+…$/u);
    expect(of(`const a = [\n${"1,\n".repeat(500)}]`, null, "constant")).toBe("const a = [");
  });
});
