import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { executorStates } from "./availability.ts";

const statesWith = (variables: object) =>
  executorStates(loadConfig({ ENVIRONMENT: "local", ...variables }));

const allOf = (variables: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    executorStates(loadConfig({ ENVIRONMENT: "local", ...variables })).map(
      ({ type, state, usable, reason }) => [type, { state, usable, reason }],
    ),
  );

describe("executorStates", () => {
  it("has local alone unless more is asked for, and says which variable asks for it", () => {
    expect(allOf({})).toMatchObject({
      local: { state: "enabled", usable: true, reason: null },
      dagger: {
        state: "disabled",
        usable: false,
        reason: expect.stringContaining("DAGGER_ENABLED=true"),
      },
      e2b: { state: "disabled", usable: false },
      subprocess: {
        state: "disabled",
        usable: false,
        reason: expect.stringContaining("SUBPROCESS_ENABLED=true"),
      },
    });
  });

  it("has what runs on runners once it is enabled", () => {
    expect(allOf({ DAGGER_ENABLED: "true", SUBPROCESS_ENABLED: "true" })).toMatchObject({
      dagger: { state: "enabled", usable: true, reason: null },
      subprocess: { state: "enabled", usable: true, reason: null },
    });
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
