import { expect, it } from "vitest";
import { nearestName } from "./suggest.ts";

it.each<[string, string | null]>([
  ["need", "needs"],
  ["nedes", "needs"],
  ["NEEDS", "needs"],
  ["max_paralel", "max_parallel"],
  ["scrpit", "script"],
  ["x", null],
  ["if", null],
  ["totally_else", null],
])("%s is taken for %s", (name, meant) => {
  expect(nearestName(name, ["needs", "script", "max_parallel"])).toBe(meant);
});
