import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { executorStates } from "./availability.ts";

describe("executorStates", () => {
  it.each([
    [{}, "disabled"],
    [{ DAGGER_ENABLED: "true", E2B_ENABLED: "true" }, "unavailable"],
  ])("says of %j that only local is to be had, whatever is enabled", (variables, state) => {
    const states = executorStates(loadConfig({ ENVIRONMENT: "local", ...variables }));
    const reason = "This version has no such executor.";
    expect(states).toEqual([
      { type: "local", state: "enabled", usable: true, reason: null },
      { type: "dagger", state, usable: false, reason },
      { type: "e2b", state, usable: false, reason },
      { type: "subprocess", state: "disabled", usable: false, reason },
    ]);
  });
});
