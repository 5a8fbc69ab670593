import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { resourceId } from "../runs/address.ts";
import { contentIssues } from "./check.ts";
import { contentSchema } from "./content.ts";

const config = loadConfig({ E2B_ENABLED: "true", E2B_API_KEY: "x" });
const SEED = "01a00000-0000-7000-8000-000000000000";

/** What is wrong, `path: message` each. */
function problems(content: object): string[] {
  const context = { config, project_id: "default", slug: "mine", files: [{ path: "code/a.txt" }] };
  return contentIssues(contentSchema.parse(content), context).map(
    ({ path, message }) => `${path}: ${message}`,
  );
}
const paths = (content: object) => problems(content).map((problem) => problem.replace(/: .*/s, ""));

const bash = { type: "bash", script: "ls" };
const http = (rest: object = {}) => ({ type: "http", url: "https://a.example/x", ...rest });
const reach = { network: ["a.example"] };

describe("a version", () => {
  it.each([
    { implementation: bash },
    { instructions: "Do it." },
    {
      implementation: { type: "prompt", template: "Say ${{ inputs.a }} and ${{ toJSON(inputs) }}" },
    },
    { implementation: { type: "pipeline", pipeline_id: resourceId(SEED, "default") } },
    { implementation: http(), permissions: reach },
    { implementation: http({ url: "https://a.example" }), permissions: { network: ["*"] } },
    {
      implementation: http({ url: "http://A.example:81/x?y=${{ inputs.q }}#z" }),
      permissions: { network: ["a.example:81"] },
    },
    {
      implementation: http({
        headers: { Authorization: "${{ secrets.TOKEN }}", "X-A": "a ${{ inputs.a }}" },
      }),
      permissions: { ...reach, secrets: ["TOKEN"] },
    },
    {
      implementation: {
        ...bash,
        executor: "e2b",
        template: "base",
        environment: { T: "${{ secrets.T }}" },
      },
      permissions: { executors: ["e2b"], secrets: ["T"] },
      timeout_seconds: 3_600,
    },
    { implementation: bash, codebase: { codebase: "${{ inputs.codebase }}", path: "tree" } },
    {
      implementation: bash,
      inputs: { type: "object", properties: { n: { type: "integer" } } },
      outputs: { type: "array", items: { type: "string" } },
      examples: [{ inputs: { n: 1 }, outputs: ["a"] }],
    },
  ])("is fine: %j", (content) => {
    expect(problems(content)).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ["does nothing", {}, ["implementation"]],
    [
      "has inputs that are no object",
      { implementation: bash, inputs: { type: "array" } },
      ["inputs.type"],
    ],
    [
      "has schemas that are none",
      { implementation: bash, inputs: { type: 1 }, outputs: { $ref: "#/no" } },
      ["inputs", "outputs"],
    ],
    [
      "has examples that do not fit",
      {
        implementation: bash,
        inputs: { type: "object", required: ["n"], properties: { n: { type: "integer" } } },
        outputs: { type: "string" },
        examples: [{ inputs: { n: "1" }, outputs: 1 }],
      },
      ["examples[0].inputs.n", "examples[0].outputs"],
    ],
    [
      "invokes itself",
      { implementation: bash, permissions: { skills: ["mine"] } },
      ["permissions.skills[0]"],
    ],
    [
      "is too large",
      {
        implementation: bash,
        system_prompt: "ß".repeat(200_000),
        instructions: "ß".repeat(200_000),
        examples: [{ inputs: { a: "ß".repeat(400_000) } }],
      },
      [""],
    ],
    [
      "could be no bundle",
      { implementation: bash, description: " ", license: "\t", metadata: { "pipelzr.name": "x" } },
      ["description", "license", 'metadata["pipelzr.name"]'],
    ],
    [
      "mounts a codebase for no code",
      { implementation: { type: "prompt", template: "x" }, codebase: "acme/shop" },
      ["codebase"],
    ],
    [
      "mounts a codebase over its files, by what it does not take",
      {
        implementation: bash,
        inputs: { type: "object", properties: {}, additionalProperties: false },
        codebase: { codebase: "${{ inputs.name }}", folder: "${{ tasks.a.result }}" },
      },
      ["codebase.codebase", "codebase.folder", "files.code/a.txt"],
    ],
    [
      "waits backwards",
      { implementation: bash, retry: { initial_seconds: 9, max_seconds: 1 } },
      ["retry.max_seconds"],
    ],
  ])("is refused that %s", (_, content, expected) => {
    expect(paths(content)).toEqual(expected);
  });
});

describe("code", () => {
  it.each<[string, object, string[]]>([
    [
      "by an executor that is not permitted",
      { implementation: { ...bash, executor: "e2b" } },
      ["implementation.executor"],
    ],
    [
      "by an executor that is not to be had",
      { implementation: { type: "python", script: "x" }, permissions: { executors: ["dagger"] } },
      ["implementation.executor"],
    ],
    [
      "in an image without containers",
      { implementation: { ...bash, image: "node:24" } },
      ["implementation.image"],
    ],
    [
      "of a longer time than local has",
      { implementation: bash, timeout_seconds: 3_600 },
      ["timeout_seconds"],
    ],
    [
      "with secrets and names that it may not have",
      {
        implementation: {
          ...bash,
          environment: { A: "${{ secrets.A }}", B: "x${{ inputs.b }}", PIPELZR_X: "1" },
        },
      },
      [
        "implementation.environment.A",
        "implementation.environment.B",
        "implementation.environment.PIPELZR_X",
      ],
    ],
    [
      "with hosts that a sandbox is not held to",
      {
        implementation: { ...bash, executor: "e2b" },
        permissions: { executors: ["e2b"], network: ["a.example:1"] },
      },
      ["permissions.network[0]"],
    ],
  ])("is refused %s", (_, content, expected) => {
    expect(paths(content)).toEqual(expected);
  });
});

describe("texts", () => {
  const inputs = { type: "object", properties: { name: {} }, additionalProperties: false };
  const prompt = (template: string) => ({ implementation: { type: "prompt", template }, inputs });

  it.each([
    ["${{ inputs.nam }}", "Did you mean name?"],
    ["${{ tasks.a.result }}", "tasks is not known here; use inputs."],
    ["${{ secrets.A }}", "A secret is legal only"],
    ["${{ inputs.name", "not closed"],
    ["${{ success() }}", "are of pipelines"],
  ])("say what they cannot: %s", (template, message) => {
    const [problem = "", ...others] = problems(prompt(template));
    expect(problem).toContain(message);
    expect(others).toEqual([]);
  });
});

describe("a request", () => {
  it.each<[string, object, string[]]>([
    [
      "whose host is an expression",
      http({ url: "https://${{ inputs.host }}/x" }),
      ["implementation.url"],
    ],
    [
      "whose host ends in an expression",
      http({ url: "https://a.example${{ inputs.host }}/x" }),
      ["implementation.url"],
    ],
    ["of another scheme", http({ url: "ftp://a.example/x" }), ["implementation.url"]],
    [
      "with credentials in its address",
      http({ url: "https://me:pw@a.example/x" }),
      ["implementation.url"],
    ],
    [
      "to a host that is not permitted",
      http({ url: "https://b.example/x" }),
      ["implementation.url"],
    ],
    [
      "to a port that is not permitted",
      http({ url: "https://c.example:1/x" }),
      ["implementation.url"],
    ],
    ["to a private address", http({ url: "http://127.0.0.1/x" }), ["implementation.url"]],
    ["with a body that it cannot have", http({ body: {} }), ["implementation.body"]],
    [
      "with a header that is none",
      http({ headers: { "a b": "1", c: "1\n2" } }),
      ["implementation.headers.a b", "implementation.headers.c"],
    ],
    [
      "with a secret that is not permitted",
      http({ headers: { A: "${{ secrets.B }}" } }),
      ["implementation.headers.A"],
    ],
    [
      "with secrets where none are taken",
      http({
        method: "POST",
        query: { q: "${{ secrets.B }}" },
        body: { a: ["${{ secrets.B }}"], "b c": "${{ x" },
      }),
      ["implementation.query.q", "implementation.body.a[0]", 'implementation.body["b c"]'],
    ],
  ])("is refused %s", (_, implementation, expected) => {
    const permissions = { network: ["a.example", "c.example:2", "127.0.0.1"] };
    expect(paths({ implementation, permissions })).toEqual(expected);
  });
});

it("a pipeline is one of the project", () => {
  const implementation = { type: "pipeline", pipeline_id: resourceId(SEED, "other") };
  expect(paths({ implementation })).toEqual(["implementation.pipeline_id"]);
});
