import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CodeReference } from "../../languages/parsed-file.ts";
import {
  ReferenceResolver,
  type ResolvableFile,
  WholeSnapshot,
} from "../../languages/references.ts";
import { OUTSIDE, type Resolution } from "../../languages/resolve/resolution.ts";
import { SymbolTable } from "./symbol-table.ts";

const PATHS = ["a.x", "b.x", "lib/a.x", "lib/b.x", "lib/in/c.x"];
const name = fc.constantFrom("f", "g", "Box", "default", "over");
const symbol = fc.record({
  name,
  kind: fc.constantFrom("function", "method", "class", "constant", "impl"),
  container: fc.option(fc.nat({ max: 1 })),
  exported: fc.constantFrom(true, false, null),
});
const target: fc.Arbitrary<Resolution> = fc.oneof(
  fc.constant(OUTSIDE),
  fc.record({
    path: fc.constantFrom(...PATHS),
    isFolder: fc.constant(false),
    confidence: fc.constantFrom("exact", "likely"),
  }),
  fc.record({
    path: fc.constantFrom("lib", "lib/in", ""),
    isFolder: fc.constant(true),
    confidence: fc.constantFrom("exact", "ambiguous"),
  }),
);
const imported = fc.record({
  module: fc.constantFrom("m", "lib/a"),
  names: fc.array(fc.record({ name: fc.oneof(name, fc.constant("*")), alias: fc.option(name) }), {
    maxLength: 2,
  }),
  resolutions: fc.array(target, { minLength: 2, maxLength: 2 }),
});
const reference: fc.Arbitrary<CodeReference> = fc.record({
  name,
  kind: fc.constantFrom("call", "type", "use", "import"),
  line: fc.constant(1),
  column: fc.constant(1),
  container: fc.option(fc.nat({ max: 1 })),
  qualifier: fc.option(fc.oneof(name, fc.constantFrom("this", "m"))),
});
const file = fc.record({
  language: fc.constantFrom("typescript", "tsx", "go", "c", "python"),
  // What contains a symbol comes before it.
  symbols: fc.array(symbol, { maxLength: 4 }).map((symbols) =>
    symbols.map((each, at) => ({
      ...each,
      container: at === 0 || each.container === null ? null : Math.min(each.container, at - 1),
    })),
  ),
  imports: fc.array(imported, { maxLength: 2 }),
});

describe("a table of symbols", () => {
  it("resolves as files in memory do", () => {
    const files = fc.array(file, { minLength: 1, maxLength: PATHS.length });
    fc.assert(
      fc.property(files, fc.array(reference, { maxLength: 8 }), (made, references) => {
        const all: ResolvableFile[] = made.map((each, at) => ({ ...each, path: PATHS[at] ?? "" }));
        const table = new SymbolTable((node) => {
          const found = all[node];
          if (found === undefined) throw new RangeError(`no file ${node}`);
          return found;
        });
        for (const { path, language, symbols } of all) table.add(path, language, symbols);
        table.seal();
        const one = new ReferenceResolver(new WholeSnapshot(all));
        const other = new ReferenceResolver(table);
        for (const { path, symbols } of all) {
          expect(other.resolve(path, references)).toEqual(one.resolve(path, references));
          for (const [at, { name: given, kind, container, exported }] of symbols.entries()) {
            expect(table.symbol({ path, symbol: at })).toEqual({
              ...{ name: given, kind, container, exported },
            });
            expect(table.countOf(given)).toBe(
              all.flatMap((each) => each.symbols).filter((each) => each.name === given).length,
            );
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
