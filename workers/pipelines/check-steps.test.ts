import { describe, expect, it } from "vitest";
import { parseDefinition } from "./definition.ts";
import { config } from "./test-support.ts";

const issuesOf = (tasks: unknown, members: object = {}) =>
  parseDefinition({ name: "p", ...members, tasks }, { config }).issues;
const a = { name: "a", command: "true" };
const kept = { ...a, artifacts: ["*.txt"] };
const using = (path: string) => ({
  ...a,
  name: "b",
  needs: "a",
  use_artifacts: [{ from: "a", path }],
});

describe("what a step asks for in vain is named once, with its place", () => {
  it.each<[string, unknown[], string, RegExp]>([
    ["labels of no runner", [{ ...a, runs_on: ["gpu"] }], "tasks[0].runs_on", /runners/],
    ["an image of no container", [{ ...a, image: "alpine" }], "tasks[0].image", /"dagger"/],
    ["a template of no sandbox", [{ ...a, template: "base" }], "tasks[0].template", /"e2b"/],
    [
      "hosts for a container",
      [{ ...a, task_type: "dagger", network: { allow: ["example.com"] } }],
      "tasks[0].network.allow",
      /whole network/,
    ],
    [
      "an image that is none",
      [{ ...a, task_type: "dagger", image: "My Image" }],
      "tasks[0].image",
      /reference of an image/,
    ],
    [
      "a glob that matches nothing",
      [{ ...a, artifacts: ["a.txt", "../b"] }],
      "tasks[0].artifacts[1]",
      /working directory/,
    ],
    [
      "a variable that a secret has",
      [{ ...a, secrets: ["TOKEN"], environment: { TOKEN: "x" } }],
      "tasks[0].environment.TOKEN",
      /Keep one/,
    ],
    ["no executor at all", [{ ...a, executors: [] }], "tasks[0].executors", /at least one/],
    [
      "local among executors",
      [{ ...a, executors: ["dagger", "local"] }],
      "tasks[0].executors[1]",
      /always there/,
    ],
    [
      "files put where none can lie",
      [kept, using("./x")],
      "tasks[1].use_artifacts[0].path",
      /"\."/,
    ],
    [
      "files from a task that keeps none",
      [a, using("in")],
      "tasks[1].use_artifacts[0].from",
      /"a" keeps no files/,
    ],
  ])("%s", (_, tasks, path, message) => {
    expect(issuesOf(tasks)).toEqual([{ path, message: expect.stringMatching(message) }]);
  });
});

describe("a step", () => {
  it("is not judged by what is known when it begins", () => {
    const open = { image: "${{ inputs.image }}", artifacts: ["/${{ inputs.folder }}/*"] };
    const step = { ...a, task_type: "dagger", ...open, working_directory: "/${{ inputs.folder }}" };
    expect(issuesOf([step])).toEqual([]);
  });

  it("may have as a secret what is a variable of the pipeline", () => {
    expect(issuesOf([{ ...a, secrets: ["TOKEN"] }], { environment: { TOKEN: "x" } })).toEqual([]);
  });

  it("may put files into a folder written with a slash at its end", () => {
    expect(issuesOf([kept, using("in/")])).toEqual([]);
  });
});
