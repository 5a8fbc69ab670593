import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { executorStates } from "./availability.ts";

const statesWith = (variables: object) =>
  executorStates(loadConfig({ ENVIRONMENT: "local", ...variables }));

describe("executorStates", () => {
  it.each([
    [{}, "disabled"],
    [{ DAGGER_ENABLED: "true" }, "unavailable"],
  ])("says of %j that only local is to be had", (variables, state) => {
    const reason = "This version has no such executor.";
    expect(statesWith(variables)).toEqual([
      { type: "local", state: "enabled", usable: true, reason: null },
      { type: "dagger", state, usable: false, reason },
      {
        type: "e2b",
        state: "disabled",
        usable: false,
        reason: expect.stringContaining("E2B_ENABLED=true"),
      },
      { type: "subprocess", state: "disabled", usable: false, reason },
    ]);
  });

  it("has sandboxes once they are enabled and there is a key", () => {
    expect(statesWith({ E2B_ENABLED: "true" })[2]).toEqual({
      type: "e2b",
      state: "unavailable",
      usable: false,
      reason: expect.stringContaining("E2B_API_KEY"),
    });
    expect(statesWith({ E2B_ENABLED: "true", E2B_API_KEY: "e2b_1" })[2]).toEqual({
      type: "e2b",
      state: "enabled",
      usable: true,
      reason: null,
    });
  });
});
