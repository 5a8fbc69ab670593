import { describe, expect, it } from "vitest";
import { TASK_TYPES } from "../executors/port.ts";
import { backendIssues, imageProblem, templateProblem } from "./backend-members.ts";
import { specSchema } from "./schemas.ts";

const issuesOf = (members: object) =>
  backendIssues(specSchema.parse({ name: "t", command: "true", ...members }));
const pathsOf = (members: object) => issuesOf(members).map(({ path }) => path);

const USED: readonly [member: string, value: unknown, types: readonly string[]][] = [
  ["runs_on", ["gpu"], ["dagger", "subprocess"]],
  ["image", "alpine:3", ["dagger"]],
  ["template", "base", ["e2b"]],
  ["sandbox", { reuse: "run" }, ["e2b"]],
  ["network", { allow: ["example.com"] }, ["local", "e2b", "subprocess"]],
];

describe("a member that only some executors use", () => {
  it.each(USED)("%s is refused where nothing would heed it", (member, value, types) => {
    for (const task_type of TASK_TYPES) {
      const path = member === "network" ? "network.allow" : member;
      expect(pathsOf({ task_type, [member]: value }), task_type).toEqual(
        types.includes(task_type) ? [] : [path],
      );
    }
  });

  it.each(USED)("%s is in place when one of several executors uses it", (member, value) => {
    const executors = ["e2b", "subprocess", "dagger"];
    expect(pathsOf({ task_type: "e2b", executors, [member]: value })).toEqual([]);
  });

  it("is told what to do about it, of a list too", () => {
    const [one] = issuesOf({ image: "alpine" });
    expect(one?.message).toBe(
      'Only containers have an image, and this is of the type "local". Set task_type to "dagger", or leave image out (null).',
    );
    const executors = ["e2b", "dagger"];
    expect(pathsOf({ task_type: "e2b", executors: ["e2b"], runs_on: ["a"] })).toEqual(["runs_on"]);
    const [other] = issuesOf({ task_type: "subprocess", executors: ["subprocess"], template: "a" });
    expect(other?.message).toContain('none of its executors does ("subprocess")');
    expect(pathsOf({ task_type: "e2b", executors, runs_on: ["a"] })).toEqual([]);
  });

  it("has its default where it says nothing", () => {
    for (const task_type of TASK_TYPES) {
      const nothing = { runs_on: [], image: null, template: null, sandbox: null };
      expect(pathsOf({ task_type, ...nothing, network: { allow: [] } })).toEqual([]);
    }
    expect(pathsOf({ task_type: "dagger", network: { allow: ["*"] } })).toEqual([]);
  });

  it("names no port that a sandbox cannot be held to", () => {
    const allow = ["example.com", "example.com:8443", "10.0.0.1:443", "*"];
    const ports = ["network.allow[1]", "network.allow[2]"];
    expect(pathsOf({ task_type: "e2b", network: { allow } })).toEqual(ports);
    expect(pathsOf({ task_type: "local", network: { allow } })).toEqual([]);
    const executors = ["e2b", "subprocess"];
    expect(pathsOf({ task_type: "e2b", executors, network: { allow } })).toEqual([]);
  });

  it("does not contradict another", () => {
    const shared = { task_type: "e2b", sandbox: { reuse: "run" } };
    expect(pathsOf({ ...shared, isolation: "fresh" })).toEqual(["isolation"]);
    expect(pathsOf({ ...shared, isolation: "shared" })).toEqual([]);
  });
});

const DIGEST = `sha256:${"0a".repeat(32)}`;

describe("the reference of an image", () => {
  it.each([
    "alpine",
    "node:24-bookworm",
    "library/node",
    "ghcr.io/me/tool:1.2",
    "localhost:5000/a/b__c--d.e:V1_x.y-z",
    "[::1]:5000/a",
    "REGISTRY.example.com/a",
    `alpine@${DIGEST}`,
    `registry.example.com:443/a/b:1@${DIGEST}`,
  ])("is taken as %s", (image) => {
    expect(imageProblem(image)).toBeNull();
  });

  it.each([
    "Alpine",
    "my image",
    "alpine:",
    "alpine:a b",
    ":3",
    "/alpine",
    "alpine/",
    "a//b",
    "https://ghcr.io/a",
    "alpine@sha256:12",
    `alpine:${"x".repeat(129)}`,
    "alpine;rm",
    "alpine\n",
    "${{ inputs.image }}",
  ])("is refused as %j", (image) => {
    expect(imageProblem(image)).toContain("docker pull");
  });
});

describe("the name of a template", () => {
  it.each(["base", "rki5dems9wqfm4r03t7g", "my_team/node-24:v1.2", "base:default"])(
    "is taken as %s",
    (template) => {
      expect(templateProblem(template)).toBeNull();
    },
  );

  it.each(["a b", "a/b/c", "base:", "/a", "a@b", "ba\nse", "base\n"])(
    "is refused as %j",
    (template) => {
      expect(templateProblem(template)).toContain("[team/]name[:tag]");
    },
  );
});
