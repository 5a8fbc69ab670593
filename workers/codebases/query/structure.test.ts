import { describe, expect, it } from "vitest";
import { parseQuery } from "./parse.ts";
import { planQuery } from "./plan.ts";
import { hasWords, wordsOfPattern } from "./structure.ts";

describe("the words of a pattern", () => {
  it.each([
    ["console.log($A)", ["console", "log"]],
    ["$OBJ.unwrap($$$ARGS)", ["unwrap"]],
    ["$A == $$B", []],
    ["if (a) { $$$ }", []],
    ['fetch("https://a.example/$PATH")', ["fetch", "https"]],
    ["call(x) // why not", ["call"]],
    ["#[derive(Debug)]", []],
    ["set --flag", ["set"]],
    ["font-size: $A", ["font", "size"]],
    ["straße()", ["stra"]],
    ["f(long, long)", ["long", "long"]],
    ["$lower", ["lower"]],
  ])("%s", (pattern, words) => {
    expect(wordsOfPattern(pattern)).toEqual(words);
  });

  it("are looked for in order, and in any case only where keywords may be", () => {
    const words = ["set", "get", "set"];
    expect(hasWords("a.set(b.get(c.reset))", words, "typescript")).toBe(true);
    expect(hasWords("a.set(b.get(c))", words, "typescript")).toBe(false);
    expect(hasWords("get set set", words, "typescript")).toBe(false);
    expect(hasWords("Set get set", words, "typescript")).toBe(false);
    expect(hasWords("Set GET seT", words, "php")).toBe(true);
    expect(hasWords("", [], "go")).toBe(true);
  });

  const planOf = (text: string) => {
    const { query, problems } = parseQuery(text, "github");
    if (problems !== null) throw new Error(JSON.stringify(problems));
    const { plan } = planQuery(query, { syntax: "github" });
    if (plan === null) throw new Error("no plan");
    return plan;
  };

  it("narrow what is read, all of them", () => {
    const { candidates, leaves } = planOf('ast:"console.log($A)"');
    expect(candidates).toMatchObject({ kind: "match", index: "content" });
    expect(leaves[0]).toMatchObject({ narrows_by: "content", verified: true, scan: null });
    expect(leaves[0]?.trigrams).toEqual(expect.arrayContaining(["con", "ole", "log"]));
  });

  it("narrow nothing where there are none, and where the pattern is negated", () => {
    expect(planOf('ast:"$A == $A"').candidates.kind).toBe("all");
    const negated = planOf('-ast:"console.log($A)"');
    expect(negated.candidates.kind).toBe("all");
    expect(negated.leaves[0]).toMatchObject({ narrows_by: null, trigrams: [] });
  });
});
