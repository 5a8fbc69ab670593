import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../http/json.ts";
import { expandMatrix } from "./matrix.ts";

const itemsOf = (matrix: Json) => expandMatrix(matrix).items;

describe("a matrix", () => {
  it("varies its last axis fastest", () => {
    expect(itemsOf({ os: ["a", "b"], v: [1, 2] })).toEqual([
      { os: "a", v: 1 },
      { os: "a", v: 2 },
      { os: "b", v: 1 },
      { os: "b", v: 2 },
    ]);
  });

  it("includes as the example in GitHub's documentation does", () => {
    const include = [
      { color: "green" },
      { color: "pink", animal: "cat" },
      { fruit: "apple", shape: "circle" },
      { fruit: "banana" },
      { fruit: "banana", animal: "cat" },
    ];
    expect(itemsOf({ fruit: ["apple", "pear"], animal: ["cat", "dog"], include })).toEqual([
      { fruit: "apple", animal: "cat", color: "pink", shape: "circle" },
      { fruit: "apple", animal: "dog", color: "green", shape: "circle" },
      { fruit: "pear", animal: "cat", color: "pink" },
      { fruit: "pear", animal: "dog", color: "green" },
      { fruit: "banana" },
      { fruit: "banana", animal: "cat" },
    ]);
  });

  it.each<[string, Json, Json]>([
    ["of includes alone", { include: [{ a: 1 }, { b: 2 }] }, [{ a: 1 }, { b: 2 }]],
    ["as an array", [{ a: 1 }, { a: 2 }], [{ a: 1 }, { a: 2 }]],
    [
      "less what is excluded in part",
      { a: [1, 2], b: [1, 2], exclude: [{ a: 1 }] },
      [
        { a: 2, b: 1 },
        { a: 2, b: 2 },
      ],
    ],
    [
      "of objects, excluded by a member",
      { n: [{ v: 1, e: true }, { v: 2 }], exclude: [{ n: { v: 1 } }] },
      [{ n: { v: 2 } }],
    ],
    ["that excludes nothing by an unknown axis", { a: [1], exclude: [{ z: 1 }] }, [{ a: 1 }]],
    [
      "that includes what was excluded",
      { a: [1, 2], exclude: [{ a: 1 }], include: [{ a: 1, x: 1 }] },
      [{ a: 2 }, { a: 1, x: 1 }],
    ],
    ["of an empty axis", { a: [] }, []],
  ])("%s", (_, matrix, expected) => {
    expect(itemsOf(matrix)).toEqual(expected);
  });

  it.each<[string, Json, string, RegExp]>([
    ["no object", 3, "", /object of axes/],
    ["an axis that is no array", { a: 1 }, "a", /array of values/],
    [
      "an include that is no list of objects",
      { a: [1], include: [1] },
      "include",
      /array of objects/,
    ],
    ["items without names", [1, 2], "", /give values names/],
    ["too many items", { a: Array(40).fill(1), b: Array(40).fill(1) }, "", /at most 1000/],
    [
      "a product that cannot be built",
      Object.fromEntries(["a", "b", "c", "d", "e"].map((axis) => [axis, Array(100).fill(0)])),
      "",
      /at most 1000/,
    ],
  ])("is refused with %s", (_, matrix, member, message) => {
    expect(expandMatrix(matrix).problem).toMatchObject({
      member,
      message: expect.stringMatching(message),
    });
  });

  const value = fc.integer({ min: 0, max: 2 });
  const entry = fc.dictionary(fc.constantFrom("a", "b", "c", "x"), value, { maxKeys: 3 });
  const matrices = fc.record({
    axes: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.uniqueArray(value, { minLength: 1 })),
    include: fc.array(entry, { maxLength: 4 }),
    exclude: fc.array(entry, { maxLength: 3 }),
  });
  const matches = (item: Record<string, Json>, part: Record<string, Json>) =>
    Object.entries(part).every(([name, wanted]) => item[name] === wanted);

  it("keeps exactly the combinations that no exclude matches, with their axes unchanged", () => {
    fc.assert(
      fc.property(matrices, ({ axes, include, exclude }) => {
        const names = Object.keys(axes);
        const kept = (itemsOf(axes) ?? []).filter(
          (item) => !exclude.some((each) => Object.keys(each).length > 0 && matches(item, each)),
        );
        const items = itemsOf({ ...axes, include, exclude }) ?? [];
        const original = items
          .slice(0, kept.length)
          .map((item) => Object.fromEntries(names.map((name) => [name, item[name]])));
        expect(original).toEqual(kept);
      }),
    );
  });

  it("puts every include into all combinations that it fits, or adds it as an item", () => {
    fc.assert(
      fc.property(matrices, ({ axes, include }) => {
        const before = itemsOf(axes) ?? [];
        const items = itemsOf({ ...axes, include }) ?? [];
        const fits = (each: Record<string, Json>) =>
          before.filter((item) =>
            Object.entries(each).every(
              ([name, wanted]) => !(name in item) || item[name] === wanted,
            ),
          ).length;
        const alone = include.filter((each) => fits(each) === 0);
        expect(items.slice(before.length)).toEqual(alone);
        const last = include.at(-1);
        if (last && fits(last) > 0) {
          expect(
            items.slice(0, before.length).filter((item) => matches(item, last)).length,
          ).toBeGreaterThanOrEqual(fits(last));
        }
      }),
    );
  });
});
