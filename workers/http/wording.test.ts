import { describe, expect, it } from "vitest";
import { z } from "zod";
import { toIssues } from "./issues.ts";
import { inOurWords } from "./wording.ts";

const shape = z.object({
  any: z
    .unknown()
    .refine((value) => value !== 0, "Not zero.")
    .optional(),
  at: z.iso.datetime().optional(),
  exact: z.string().length(2).optional(),
  either: z.union([z.literal(true), z.strictObject({ a: z.string() })]).optional(),
  flag: z.boolean().optional(),
  inner: z
    .union([z.boolean(), z.union([z.string().max(3), z.array(z.string()).max(1)])])
    .optional(),
  half: z.number().multipleOf(0.5).optional(),
  hex: z
    .string()
    .regex(/^[0-9a-f]*$/)
    .optional(),
  list: z.array(z.string()).min(1).max(2).optional(),
  one: z.literal(1).optional(),
  positive: z.number().positive().lt(9).optional(),
  text: z.string().min(1).max(3).optional(),
  union: z.union([z.string(), z.strictObject({ a: z.string() })]).optional(),
  whole: z.int().min(-100).max(100).optional(),
  words: z.record(z.string().max(3), z.string()).optional(),
});

function issuesOf(schema: z.ZodType, value: unknown) {
  const outcome = schema.safeParse(value, { error: inOurWords });
  return outcome.success ? [] : toIssues(outcome.error);
}

describe("the service's words", () => {
  it.each([
    [{ any: 0 }, "any", "Not zero."],
    [{ at: "today" }, "at", "Send a date and time such as 2026-11-20T09:30:00Z."],
    [{ exact: "x" }, "exact", "Give exactly 2 characters."],
    [{ either: "x" }, "either", "Send true or an object."],
    [{ either: { a: 1 } }, "either.a", "Send a string."],
    [{ flag: "yes" }, "flag", "Send true or false."],
    [{ half: 0.7 }, "half", "Give a multiple of 0.5."],
    [{ hex: "x" }, "hex", "It is not of the form that is wanted."],
    [{ list: [] }, "list", "Give at least 1 item."],
    [{ list: ["a", "b", "c"] }, "list", "Give at most 2 items."],
    [{ inner: 1 }, "inner", "Send true or false or a string or an array."],
    [{ inner: "four" }, "inner", "Give at most 3 characters."],
    [{ inner: ["a", "b"] }, "inner", "Give at most 1 item."],
    [{ list: {} }, "list", "Send an array."],
    [{ list: "a text" }, "list", "Send an array."],
    [{ list: "" }, "list", "Send an array."],
    [{ text: ["a", "b", "c", "d"] }, "text", "Send a string."],
    [{ whole: "1" }, "whole", "Send a whole number."],
    [{ one: 2 }, "one", "Send 1."],
    [{ positive: 0 }, "positive", "Give more than 0."],
    [{ positive: 9 }, "positive", "Give less than 9."],
    [{ text: "" }, "text", "Give at least 1 character."],
    [{ text: "four" }, "text", "Give at most 3 characters."],
    [{ text: null }, "text", "Send a string."],
    [{ union: 3 }, "union", "Send a string or an object."],
    [{ union: {} }, "union.a", "Required."],
    [{ whole: 1.5 }, "whole", "Send a whole number."],
    [{ whole: 1e308 }, "whole", "Give at most 100."],
    [{ whole: -1e308 }, "whole", "Give at least -100."],
    [{ words: { long: "x" } }, "words.long", "The name is not valid. Give at most 3 characters."],
    [{ words: { a: 1 } }, "words.a", "Send a string."],
  ])("say once of %j what to do", (value, path, message) => {
    expect(issuesOf(shape, value)).toEqual([{ path, message }]);
  });

  it("ask for a query parameter once", () => {
    const schema = z.object({ query: z.object({ limit: z.string() }) });
    expect(issuesOf(schema, { query: { limit: ["1", "2"] } })).toEqual([
      { path: "query.limit", message: "Give it once." },
    ]);
  });
});
