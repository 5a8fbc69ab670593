import { describe, expect, it } from "vitest";
import { type Json, MAX_RESULT_BYTES, type Outcome } from "../port.ts";
import { acceptedOutcome } from "./accepted-outcome.ts";

const completed = (result: Json): Outcome => ({ status: "completed", exit_code: 0, result });
const failure = (message: string, result: Json = null): Outcome => ({
  status: "failed",
  reason: "exit",
  exit_code: 3,
  code: "exit_nonzero",
  message,
  result,
});
const deep = JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`);

describe("the end that a runner tells of", () => {
  it.each<Outcome>([
    { status: "cancelled" },
    completed(null),
    completed({ list: [1, "ü", { a: true }] }),
    failure("Exited with code 3.", { partial: 1 }),
  ])("is taken as it is: %j", (outcome) => expect(acceptedOutcome(outcome)).toEqual(outcome));

  it.each<[string, Json, string]>([
    ["too deep", deep, "output_invalid"],
    ["half a character", "\ud800", "output_invalid"],
    ["of a forbidden key", JSON.parse('{"a":{"__proto__":1}}'), "output_invalid"],
    ["too large", "x".repeat(MAX_RESULT_BYTES), "output_too_large"],
  ])("with a result that is %s becomes a failure that says so", (_, result, code) => {
    expect(acceptedOutcome(completed(result))).toMatchObject({
      status: "failed",
      reason: "error",
      code,
      result: null,
    });
    expect(acceptedOutcome(failure("No.", result))).toEqual(failure("No."));
  });

  it("has a message of bounded length", () => {
    const outcome = acceptedOutcome(failure("x".repeat(1_000_000)));
    expect(outcome).toMatchObject({ message: expect.stringMatching(/^x{16384}$/) });
  });
});
