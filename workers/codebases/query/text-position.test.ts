import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextPositions, utf8Bytes } from "./text-position.ts";

const texts = fc
  .array(fc.constantFrom("a", "b", "\n", "\r\n", "é", "日", "😀"), { maxLength: 40 })
  .map((parts) => parts.join(""));

describe("places of a text", () => {
  it("are on the lines that it splits into, in whatever order they are asked for", () => {
    const property = fc.property(texts, fc.array(fc.nat(60), { maxLength: 12 }), (text, asked) => {
      const positions = new TextPositions(text);
      const lines = text.split("\n");
      for (const at of asked.filter((each) => each <= text.length)) {
        const line = text.slice(0, at).split("\n").length;
        expect(positions.lineOf(at)).toBe(line);
        const start = lines.slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0);
        expect(positions.startOfLine(line)).toBe(start);
        const shown = lines[line - 1]?.replace(line < lines.length ? /\r$/ : /(?!)/, "") ?? "";
        expect(positions.endOfLine(line)).toBe(start + shown.length);
      }
      expect(positions.startOfLine(lines.length + 1)).toBe(text.length);
    });
    fc.assert(property);
  });

  it("count the bytes before them, half of a pair as half of what the pair takes", () => {
    const property = fc.property(texts, fc.array(fc.nat(60), { maxLength: 12 }), (text, asked) => {
      const positions = new TextPositions(text);
      for (const at of asked.filter((each) => each <= text.length)) {
        const before = text.slice(0, at);
        const half = before.isWellFormed() ? 0 : 2;
        expect(positions.bytesBefore(at)).toBe(
          Buffer.byteLength(half === 0 ? before : before.slice(0, -1)) + half,
        );
      }
      expect(utf8Bytes(text)).toBe(Buffer.byteLength(text));
    });
    fc.assert(property);
  });

  it("are as many bytes from the start as characters where all are ASCII", () => {
    const ascii = "ab\ncd\n";
    for (let at = 0; at <= ascii.length; at += 1) {
      expect(new TextPositions(ascii, true).bytesBefore(at)).toBe(
        new TextPositions(ascii).bytesBefore(at),
      );
    }
  });
});
