import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OutputEntry } from "../detached.ts";
import { OutputBuffer } from "./output-buffer.ts";

const line = (n: number): OutputEntry => ["stdout", `${n}\n`];
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => line(from + index));

describe("output on its way", () => {
  it.each([
    [0, 0, 3, "added", 3],
    [0, 1, 2, "gap", 0],
    [5, 3, 5, "known", 5],
    [5, 3, 7, "added", 7],
    [5, 0, 2, "known", 5],
  ] as const)("with %i taken, entries %i to %i are %s", (taken, from, to, answer, end) => {
    const buffer = new OutputBuffer(taken);
    expect(buffer.add(from, lines(from, to))).toBe(answer);
    expect(buffer.end).toBe(end);
    expect(buffer.taken).toBe(taken);
  });

  it("is handed on in bounded parts, an oversized entry by itself", () => {
    const buffer = new OutputBuffer(0);
    buffer.add(0, [
      ["stdout", "abc"],
      ["stderr", "de"],
      ["stdout", "x".repeat(50)],
    ]);
    expect(buffer.batch(5).entries).toHaveLength(2);
    expect(buffer.batch(4).entries).toHaveLength(1);
    buffer.settle(2);
    expect(buffer.batch(5)).toEqual({ from: 2, entries: [["stdout", "x".repeat(50)]] });
    expect(buffer.chars).toBe(50);
  });

  it.each([0, 9])("drops what follows nothing when the owner says %i", (taken) => {
    const buffer = new OutputBuffer(2);
    buffer.add(2, lines(2, 4));
    buffer.settle(taken);
    expect([buffer.taken, buffer.end, buffer.chars]).toEqual([taken, taken, 0]);
  });

  it("arrives whole, in order and once, whatever is repeated, lost or cut off", () => {
    const step = fc.oneof(
      // The runner sends some of what it has, from anywhere.
      fc.record({ kind: fc.constant("send" as const), from: fc.nat(30), count: fc.nat(8) }),
      // The owner takes a batch, and its answer may be lost.
      fc.record({ kind: fc.constant("hand" as const), chars: fc.nat(12), isLost: fc.boolean() }),
      // The buffer is lost, and begins anew with what the owner has, or had.
      fc.record({ kind: fc.constant("reset" as const), behind: fc.nat(2) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const all = lines(0, 30);
        const owner: OutputEntry[] = [];
        let buffer = new OutputBuffer(0);
        const hand = (chars: number, isLost: boolean) => {
          const { from, entries } = buffer.batch(chars);
          expect(from).toBeLessThanOrEqual(owner.length);
          owner.push(...entries.slice(owner.length - from));
          if (!isLost) buffer.settle(owner.length);
        };
        for (const one of steps) {
          if (one.kind === "send") {
            buffer.add(one.from, all.slice(one.from, one.from + one.count));
          } else if (one.kind === "hand") hand(one.chars, one.isLost);
          else buffer = new OutputBuffer(Math.max(0, owner.length - one.behind));
          expect(buffer.taken).toBeLessThanOrEqual(owner.length);
        }
        // The runner sends again from what is acknowledged.
        buffer.add(buffer.taken, all.slice(buffer.taken));
        while (buffer.taken < all.length) hand(7, false);
        expect(owner).toEqual(all);
        expect(buffer.chars).toBe(0);
      }),
    );
  });
});
