import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import { checkSpec, languageOf } from "./rules.ts";
import { specSchema } from "./schemas.ts";

const config = loadConfig({ ENVIRONMENT: "local" });
const spec = (members: Record<string, unknown>) => specSchema.parse({ name: "t", ...members });

function refusal(members: Record<string, unknown>): ApiError {
  try {
    checkSpec(spec(members), config);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

const pathsOf = (error: ApiError) => error.issues.map(({ path }) => path);

describe("a task's rules", () => {
  it.each([
    [{ command: "ls" }, "bash"],
    [{ script: "export default () => 1" }, "javascript"],
    [{ script: "x", language: "typescript" }, "typescript"],
    [{ script: "ls", language: "bash" }, "bash"],
  ])("%j runs as %s", (members, language) => {
    expect(languageOf(spec(members))).toBe(language);
    expect(() => checkSpec(spec(members), config)).not.toThrow();
  });

  it.each([
    ["neither command nor script", {}, ["command"]],
    ["both", { command: "ls", script: "x" }, ["command"]],
    ["a command in another language", { command: "ls", language: "typescript" }, ["language"]],
    ["python on local", { script: "print(1)", language: "python" }, ["language"]],
    ["too long for local", { command: "ls", timeout_seconds: 841 }, ["timeout_seconds"]],
    [
      "a working directory outside",
      { command: "ls", working_directory: "../up" },
      ["working_directory"],
    ],
    [
      "an absolute working directory",
      { command: "ls", working_directory: "/etc" },
      ["working_directory"],
    ],
    [
      "a sandbox to share where there is none",
      { command: "ls", sandbox: { reuse: "run" } },
      ["sandbox"],
    ],
    [
      "a reserved variable",
      { command: "ls", environment: { PIPELZR_OUTPUT: "x" } },
      ["environment.PIPELZR_OUTPUT"],
    ],
    [
      "a secret amid other text",
      { command: "ls", environment: { URL: "https://x/${{ secrets.TOKEN }}" } },
      ["environment.URL"],
    ],
    [
      "a retry that caps below its start",
      { command: "ls", retry: { initial_seconds: 10, max_seconds: 1 } },
      ["retry.max_seconds"],
    ],
    [
      "a schema of the result that is none",
      { command: "ls", outputs: { type: "nonsense" } },
      ["outputs"],
    ],
    ["labels of a runner where none is asked", { command: "ls", runs_on: ["gpu"] }, ["runs_on"]],
    ["an image without a container", { command: "ls", image: "alpine" }, ["image"]],
    ["a template without a sandbox", { command: "ls", template: "base" }, ["template"]],
    [
      "a folder that would be refused when the code begins",
      { command: "ls", working_directory: "a//b" },
      ["working_directory"],
    ],
    [
      "a variable given twice",
      { command: "ls", secrets: ["A", "B", "A"], environment: { A: "1", C: "2" } },
      ["environment.A"],
    ],
    [
      "globs that match nothing, each with its place",
      { command: "ls", artifacts: ["out/**", "../../etc/passwd", "/etc/passwd", "a[", "./"] },
      ["artifacts[1]", "artifacts[2]", "artifacts[3]", "artifacts[4]"],
    ],
  ])("refuse %s", (_, members, paths) => {
    const error = refusal(members);
    expect(error.code).toBe("validation_failed");
    expect(pathsOf(error)).toEqual(paths);
  });

  it("list every problem at once", () => {
    const error = refusal({ timeout_seconds: 5_000, environment: { PIPELZR_X: "1" } });
    expect(pathsOf(error)).toEqual(["command", "timeout_seconds", "environment.PIPELZR_X"]);
  });

  it("name the executors that exist when the wanted one does not", () => {
    const error = refusal({ command: "ls", task_type: "dagger" });
    expect(error.code).toBe("executor_unavailable");
    expect(error.detail).toContain("local");
  });

  it("tell how the executors of a list can be had when none is, and skip those that are not", () => {
    const error = refusal({
      command: "ls",
      task_type: "dagger",
      executors: ["dagger", "subprocess"],
    });
    expect(error.code).toBe("executor_unavailable");
    expect(pathsOf(error)).toEqual(["executors"]);
    expect(error.detail).toContain("DAGGER_ENABLED=true");
    expect(error.detail).toContain("npm start -- --allow-subprocess");
    const some = loadConfig({ ENVIRONMENT: "local", SUBPROCESS_ENABLED: "true" });
    const either = { command: "ls", task_type: "e2b", executors: ["e2b", "subprocess"] };
    expect(() => checkSpec(spec(either), some)).not.toThrow();
  });

  it("take a secret as the whole value", () => {
    const environment = { TOKEN: "${{ secrets.TOKEN }}" };
    expect(() => checkSpec(spec({ command: "ls", environment }), config)).not.toThrow();
  });
});
