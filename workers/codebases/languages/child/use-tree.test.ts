import { expect, test } from "vitest";
import { expandUseTree } from "./use-tree.ts";

const read = (tree: string) =>
  expandUseTree(tree).map(({ module, name, alias }) =>
    [module, name, ...(alias === null ? [] : [alias])].join("|"),
  );

test.each([
  ["std::collections::HashMap", ["std::collections|HashMap"]],
  ["a::{b, c::{self, d as e}, f::*}", ["a|b", "a::c|*", "a::c|d|e", "a::f|*"]],
  ["super::*", ["super|*"]],
  ["crate::x as _", ["crate|x"]],
  ["import a.b.C as D", ["a.b|C|D"]],
  ["import a.b._", ["a.b|*"]],
  ["import a.{B => C, D}", ["a|B|C", "a|D"]],
  ["a::{}", []],
  ["a::{b", ["a|b"]],
])("expands %s", (tree, uses) => {
  expect(read(tree)).toEqual(uses);
});

test("ends for trees that nobody wrote", () => {
  expect(expandUseTree("a::{".repeat(250)).length).toBeLessThan(2);
  expect(expandUseTree(`a::{${"b,".repeat(5_000)}}`).length).toBe(500);
});
