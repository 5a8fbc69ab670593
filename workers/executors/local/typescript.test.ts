import { describe, expect, it } from "vitest";
import { stripTypes } from "./typescript.ts";

describe("stripTypes", () => {
  it("keeps every line where it is", () => {
    const script = [
      "import type { X } from './x';",
      "interface Options {",
      "  readonly a?: number;",
      "}",
      "enum Color { Red, Green = 'g' }",
      "abstract class Base<T extends object = {}> { constructor(private readonly value: T) {} }",
      "const f = async <T,>(x: T): Promise<T> => x satisfies unknown as T;",
      "export default f;",
    ];
    const lines = stripTypes(script.join("\n")).split("\n");
    expect(lines).toHaveLength(script.length);
    expect(lines[7]).toBe("export default f;");
    expect(lines.join("\n")).not.toMatch(/interface|satisfies|Promise<T>/);
  });

  it("keeps modern syntax as it is", () => {
    const script = "export default ({ a }) => a?.b ?? 1_000n ** 2n;";
    expect(stripTypes(script)).toBe(script);
  });

  it("says where the syntax is wrong", () => {
    expect(() => stripTypes("const a: number = 1;\nconst b = ;")).toThrow(/2:\d+/);
  });
});
