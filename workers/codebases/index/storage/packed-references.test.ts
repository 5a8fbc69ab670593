import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  meaningKey,
  packReferences,
  referenceAt,
  rowsNamed,
  unpackReferences,
} from "./packed-references.ts";

const name = fc.constantFrom("a", "get", "größe", "名前", "_", "a\nb", 'q"');
const reference = fc.record({
  name,
  kind: fc.constantFrom("call", "type", "use"),
  line: fc.integer({ min: 1, max: 2 ** 30 }),
  column: fc.integer({ min: 1, max: 2 ** 30 }),
  container: fc.option(fc.nat({ max: 5_000 })),
  qualifier: fc.option(name),
});
const references = fc.array(reference, { minLength: 1, maxLength: 60 });

describe("packed references", () => {
  it("come out as they went in, wherever the bytes lie", () => {
    fc.assert(
      fc.property(references, fc.nat({ max: 9 }), (given, offset) => {
        const packed = packReferences(given);
        const elsewhere = new Uint8Array(packed.byteLength + offset);
        elsewhere.set(packed, offset);
        const read = unpackReferences(elsewhere.subarray(offset));
        expect(given.map((_, row) => referenceAt(read, row))).toEqual(given);
        expect(read.count).toBe(given.length);
      }),
    );
  });

  it("are found by name, and told apart by what their meaning depends on", () => {
    fc.assert(
      fc.property(references, (given) => {
        const read = unpackReferences(packReferences(given));
        const wanted = new Set(["get", "名前"]);
        const rows = given.flatMap((each, row) => (wanted.has(each.name) ? [row] : []));
        expect([...rowsNamed(read, wanted)]).toEqual(rows);
        for (const [i, a] of given.entries()) {
          for (const [j, b] of given.slice(0, 9).entries()) {
            const isSame = a.name === b.name && a.kind === b.kind && a.qualifier === b.qualifier;
            expect(meaningKey(read, i) === meaningKey(read, j)).toBe(isSame);
          }
        }
      }),
    );
  });
});
