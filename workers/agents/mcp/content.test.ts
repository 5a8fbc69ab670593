import { describe, expect, it } from "vitest";
import { resultOf } from "./content.ts";

const text = (words: string) => ({ type: "text" as const, text: words });

describe("the answer of a tool", () => {
  it("is its texts", () => {
    expect(resultOf({ content: [text("a"), text("b")] })).toEqual({
      output: "a\n\nb",
      is_error: false,
    });
    expect(resultOf({ content: [], isError: true })).toEqual({ output: "", is_error: true });
  });

  it("is its structured content, and what is said beside it", () => {
    const structuredContent = { b: 1, a: [2] };
    const repeated = text('{"a": [2], "b": 1}');
    expect(resultOf({ content: [repeated], structuredContent }).output).toEqual(structuredContent);
    expect(resultOf({ content: [repeated, text("Done.")], structuredContent }).output).toEqual({
      structured_content: structuredContent,
      content: "Done.",
    });
  });

  it("is an error when it cannot be kept", () => {
    const structuredContent = JSON.parse(`${'{"a":'.repeat(200)}1${"}".repeat(200)}`);
    expect(resultOf({ content: [], structuredContent })).toMatchObject({ is_error: true });
    const reserved = JSON.parse('{"__proto__": 1}');
    expect(resultOf({ content: [], structuredContent: reserved })).toMatchObject({
      is_error: true,
    });
    expect(resultOf({ content: [text("half \ud800")] }).output).toBe("half \ufffd");
  });
});
