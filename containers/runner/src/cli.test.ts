import { describe, expect, it } from "vitest";
import { readInvocation } from "./cli.ts";
import { helpText, OPTIONS, variableOf } from "./options.ts";

const settingsOf = (args: string[], environment: Record<string, string> = {}) => {
  const invocation = readInvocation(args, environment);
  if (invocation.kind !== "run") throw new Error(`it is ${invocation.kind}`);
  return invocation.settings;
};

describe("the command line", () => {
  it("has defaults", () => {
    expect(settingsOf([], { XDG_STATE_HOME: "/state" })).toMatchObject({
      url: null,
      slots: 4,
      labels: [],
      stateDir: "/state/pipelzr-runner",
      allowSubprocess: false,
      transport: "auto",
      drainSeconds: 60,
    });
  });

  it("takes flags before variables, and no variable that is empty", () => {
    const environment = {
      PIPELZR_RUNNER_URL: "http://127.0.0.1:8787",
      PIPELZR_RUNNER_SLOTS: "9",
      PIPELZR_RUNNER_LABELS: "gpu, linux,",
      PIPELZR_RUNNER_TOKEN: "",
      PIPELZR_RUNNER_ALLOW_SUBPROCESS: "true",
      PIPELZR_RUNNER_NO_DAGGER: "0",
    };
    expect(settingsOf(["--slots", "2"], environment)).toMatchObject({
      url: "http://127.0.0.1:8787",
      slots: 2,
      labels: ["gpu", "linux"],
      token: null,
      allowSubprocess: true,
      noDagger: false,
    });
  });

  it("names every value that is of no use", () => {
    expect(() =>
      readInvocation(["--slots", "many", "--url", "ftp://x", "--isolation=vm"], {}),
    ).toThrow(
      /--url must be an address.*--slots must be a whole number.*--isolation must be one of auto/,
    );
    expect(() => readInvocation(["--slot", "1"], {})).toThrow(/--slot.*--help/);
  });

  it("takes labels that tasks can ask for, and names those that none can", () => {
    expect(settingsOf(["--labels", "GPU, a_b-c.d:1"])).toMatchObject({
      labels: ["GPU", "a_b-c.d:1"],
    });
    const long = "x".repeat(64);
    expect(() => readInvocation(["--labels", `gpu,big disk,café,${long}`], {})).toThrow(
      new RegExp(`^--labels cannot hold "big disk", "café", "${long}": .*underscores.*commas`),
    );
    const many = Array.from({ length: 51 }, (_, at) => `l${at}`).join(",");
    expect(() => readInvocation(["--labels", many], {})).toThrow(/--labels must be 50 or fewer/);
  });

  it("describes every option in a line that fits a terminal", () => {
    const help = helpText();
    for (const { flag } of Object.values(OPTIONS)) expect(help).toContain(`--${flag}`);
    expect(Math.max(...help.split("\n").map((line) => line.length))).toBeLessThanOrEqual(110);
    expect(help).toContain(variableOf(OPTIONS.token));
    expect(variableOf(OPTIONS.stateDir)).toBe("PIPELZR_RUNNER_STATE_DIR");
    expect(readInvocation(["--help"], {})).toEqual({ kind: "help" });
  });
});
