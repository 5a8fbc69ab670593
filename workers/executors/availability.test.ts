import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { executorStates } from "./availability.ts";

const statesOf = (variables: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    executorStates(loadConfig({ ENVIRONMENT: "local", ...variables })).map(
      ({ type, state, usable, reason }) => [type, { state, usable, reason }],
    ),
  );

describe("executorStates", () => {
  it("has local alone unless more is asked for, and says which variable asks for it", () => {
    expect(statesOf({})).toMatchObject({
      local: { state: "enabled", usable: true, reason: null },
      dagger: { state: "disabled", usable: false, reason: "Set DAGGER_ENABLED to use it." },
      e2b: { state: "disabled", usable: false },
      subprocess: { state: "disabled", usable: false, reason: "Set SUBPROCESS_ENABLED to use it." },
    });
  });

  it("has what runs on runners once it is enabled", () => {
    expect(statesOf({ DAGGER_ENABLED: "true", SUBPROCESS_ENABLED: "true" })).toMatchObject({
      dagger: { state: "enabled", usable: true, reason: null },
      subprocess: { state: "enabled", usable: true, reason: null },
    });
  });
});
