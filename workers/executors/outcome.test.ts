import { describe, expect, it } from "vitest";
import { checkResult, exitFailure, failed, stopped } from "./outcome.ts";
import { type AttemptRequest, type Json, MAX_RESULT_BYTES } from "./port.ts";

const completed = (result: Json) => ({ status: "completed", exit_code: 0, result }) as const;

const request: AttemptRequest = {
  ref: { resource_id: "task-1", run: 1, step: "main", attempt: 1, epoch: 1 },
  project_id: "default",
  deadline_at: 31_500,
  timeout_ms: 30_000,
  work: {
    task_type: "local",
    command: "true",
    script: null,
    language: "bash",
    inputs: null,
    environment: {},
    secrets: [],
    files: { kind: "inline", entries: {} },
    mounts: [],
    working_directory: null,
    network: { allow: [] },
    artifacts: [],
    isolation: "shared",
    outputs: null,
    image: null,
    template: null,
  },
};

describe("checkResult", () => {
  const schema = {
    type: "object",
    required: ["count"],
    properties: {
      count: { type: "integer" },
      rows: { type: "array", items: { type: "object", properties: { id: { type: "string" } } } },
    },
  };

  it("passes a result that matches", () => {
    const outcome = completed({ count: 1, rows: [{ id: "a" }] });
    expect(checkResult(outcome, schema)).toBe(outcome);
  });

  it("names the path of what does not match", () => {
    const outcome = checkResult(completed({ count: 1, rows: [{ id: "a" }, { id: 7 }] }), schema);
    expect(outcome).toMatchObject({ status: "failed", reason: "error", code: "output_invalid" });
    expect(outcome).toMatchObject({ message: expect.stringContaining("result.rows[1].id: ") });
  });

  it("keeps the refused result and the exit code", () => {
    expect(checkResult(completed({}), schema)).toMatchObject({ exit_code: 0, result: {} });
  });

  it.each([
    [true, "completed"],
    [false, "failed"],
    [{}, "completed"],
    [null, "completed"],
  ] as const)("accepts the schema %j", (outputs, status) => {
    expect(checkResult(completed("x"), outputs)).toMatchObject({ status });
  });

  it("explains a schema that cannot be applied", () => {
    const outcome = checkResult(completed({}), { $ref: "#/$defs/none" });
    expect(outcome).toMatchObject({ status: "failed", code: "outputs_schema_invalid" });
  });

  it("refuses a result above the limit, and drops that of a failure", () => {
    const large = "x".repeat(MAX_RESULT_BYTES);
    expect(checkResult(completed(large), null)).toMatchObject({ code: "output_too_large" });
    const failure = failed("exit", "exit_nonzero", "no", { exit_code: 1, result: large });
    expect(checkResult(failure, null)).toEqual({ ...failure, result: null });
  });
});

describe("exitFailure", () => {
  it("quotes the last line of stderr", () => {
    expect(exitFailure(2, "first\nls: no such file\n")).toMatchObject({
      reason: "exit",
      exit_code: 2,
      message: "Exited with code 2. Last line of stderr: ls: no such file.",
    });
  });

  it("leaves the line its own full stop", () => {
    expect(exitFailure(2, "No such table.\n").message).toBe(
      "Exited with code 2. Last line of stderr: No such table.",
    );
  });

  it("quotes what was thrown before the stack of that", () => {
    const stderr = "Error: boom\n    at main.js:1:7\n\nNode.js v20.18.1\n";
    expect(exitFailure(1, stderr).message).toBe("Exited with code 1. From stderr: Error: boom.");
  });

  it.each([
    [137, /^Exited with code 137: killed by SIGKILL \(out of memory or a timeout .*\)\. It wrote/],
    [139, /^Exited with code 139: killed by SIGSEGV/],
    [143, /^Exited with code 143: killed by SIGTERM\. It wrote/],
    [128, /^Exited with code 128\. /],
    [145, /^Exited with code 145\. /],
    [255, /^Exited with code 255\. /],
  ])("names the signal behind %i, where one ends processes", (code, message) => {
    expect(exitFailure(code, "").message).toMatch(message);
  });

  it("says when there is none", () => {
    expect(exitFailure(1, "").message).toBe("Exited with code 1. It wrote nothing to stderr.");
  });
});

describe("stopped", () => {
  it("is a cancel or a timeout that states the limit", () => {
    expect(stopped(AbortSignal.abort("cancel"), request)).toEqual({ status: "cancelled" });
    expect(stopped(AbortSignal.abort("timeout"), request)).toMatchObject({
      reason: "timeout",
      code: "timeout",
      message: expect.stringContaining("time limit of 30 s"),
    });
  });
});
