import { describe, expect, it } from "vitest";
import { childFailure } from "./child-failure.ts";
import { ProtocolError } from "./read-frames.ts";

describe("childFailure", () => {
  it.each([
    [
      "Failed to start Worker:\nUncaught SyntaxError: Unexpected token\n  at script.js:2:7",
      "exit",
      "script_invalid",
      false,
    ],
    [
      "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response.",
      "exit",
      "never_settled",
      false,
    ],
    ["Worker exceeded CPU time limit.", "error", "cpu_exceeded", true],
    ["Worker exceeded memory limit.", "error", "memory_exceeded", true],
    ["Network connection lost.", "lost", "isolate_lost", true],
    ["internal error; reference = abc", "lost", "isolate_lost", true],
  ])("reads %j", (message, reason, code, isGone) => {
    const failure = childFailure(new Error(message));
    expect(failure).toMatchObject({ isGone, outcome: { status: "failed", reason, code } });
  });

  it("keeps the place of a syntax error", () => {
    const { outcome } = childFailure(
      new Error("Failed to start Worker:\nUncaught SyntaxError: no\n  at script.js:2:7"),
    );
    expect(outcome.message).toBe(
      "The script cannot be loaded: SyntaxError: no\n  at script.js:2:7",
    );
  });

  it("gives an isolate up whose code broke the protocol", () => {
    const failure = childFailure(new ProtocolError("a line is not JSON"));
    expect(failure).toMatchObject({
      isGone: true,
      outcome: { reason: "error", code: "harness_broken" },
    });
  });

  it("takes what is not an Error", () => {
    expect(childFailure("odd").outcome.message).toContain("odd");
  });
});
