import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkDefinition } from "./check.ts";
import { compile } from "./compile.ts";
import { parseDefinition, parseDefinitionYaml } from "./definition.ts";
import { config, definitionOf } from "./test-support.ts";

const issuesOf = (tasks: unknown, members: object = {}) =>
  parseDefinition({ name: "p", ...members, tasks }, { config }).issues;
const a = { name: "a", command: "true" };

describe("a definition", () => {
  it("has defaults for what it does not say", () => {
    const { definition } = parseDefinition({ name: "p", tasks: [a] }, { config });
    expect(definition).toEqual({
      name: "p",
      description: null,
      pipeline_type: "generic",
      labels: {},
      inputs: null,
      outputs: null,
      evidence: null,
      environment: {},
      codebase: null,
      dependencies: {},
      max_parallel: 5,
      stop_on_failure: true,
      timeout_seconds: null,
      concurrency: "reject",
      priority: 0,
      extra_data: {},
      tasks: [a],
    });
  });

  it("is the same after it was kept as JSON, and passes its checks again", () => {
    const definition = definitionOf([
      { ...a, files: { "x.txt": "${{ not ours", y: { content: "eA==", encoding: "base64" } } },
      { name: "b", needs: "a", if: true, retry: {}, strategy: { matrix: { v: [1] } } },
    ]);
    const kept = JSON.parse(JSON.stringify(definition));
    expect(kept).toEqual(definition);
    expect(parseDefinition(kept, { config }).definition).toEqual(definition);
    expect(checkDefinition(definition, { config })).toEqual([]);
  });

  it("takes a step that is an agent", () => {
    const agent = { name: "s", agent: { prompt: "Summarise" }, inputs: { x: 1 } };
    expect(issuesOf([agent])).toEqual([]);
  });
});

/** One mistake each: the tasks, the path of the only issue, and what its message says. */
const MISTAKES: readonly [string, unknown, string, RegExp, object?][] = [
  ["no tasks", [], "tasks", /at least 1/],
  ["tasks that are no array", {}, "tasks", /array/],
  ["an unknown member", [{ ...a, comand: "x" }], "tasks[0].comand", /did you mean command\?/],
  [
    "an unknown member of the pipeline",
    [a],
    "max_paralel",
    /did you mean max_parallel\?/,
    { max_paralel: 1 },
  ],
  [
    "a member of the original that never worked",
    [a],
    "parallel_groups",
    /remove it/,
    { parallel_groups: [] },
  ],
  [
    "a name that expressions cannot say",
    [{ ...a, name: "1 a" }],
    "tasks[0].name",
    /beginning with a letter/,
  ],
  ["a name twice", [a, { ...a, name: "A" }], "tasks[1].name", /tasks\[0\] has this name/],
  [
    "a need that is not there",
    [a, { ...a, name: "bee", needs: ["a", "bed"] }],
    "tasks[1].needs[1]",
    /Did you mean "bee"/,
  ],
  ["a dependency of nothing", [a], "dependencies.b", /no task "b"/, { dependencies: { b: [] } }],
  [
    "a dependency on nothing",
    [a],
    "dependencies.a[0]",
    /no task "zz"/,
    { dependencies: { a: ["zz"] } },
  ],
  ["a task that needs itself", [{ ...a, needs: "a" }], "tasks[0].needs", /a → a/],
  [
    "a circle",
    [
      { ...a, needs: "b" },
      { ...a, name: "b", needs: "a" },
    ],
    "tasks[0].needs",
    /circle: a → b → a/,
  ],
  [
    "a circle over dependencies",
    [
      { ...a, needs: "b" },
      { ...a, name: "b" },
    ],
    "tasks[0].needs",
    /a → b → a/,
    { dependencies: { b: ["a"] } },
  ],
  ["nothing to do", [{ name: "a" }], "tasks[0]", /command or a script, approval/],
  ["two things to do", [{ ...a, pipeline: "x" }], "tasks[0]", /keep one/],
  ["command and script", [{ ...a, script: "x" }], "tasks[0].command", /only one/],
  [
    "python in this process",
    [{ name: "a", script: "x", language: "python" }],
    "tasks[0].language",
    /no Python/,
  ],
  [
    "a local task that takes too long",
    [{ ...a, timeout_seconds: 900 }],
    "tasks[0].timeout_seconds",
    /840/,
  ],
  [
    "an executor that is not there",
    [{ ...a, task_type: "e2b" }],
    "tasks[0].task_type",
    /Use one of: local/,
  ],
  [
    "a retry whose bounds cross",
    [{ ...a, retry: { initial_seconds: 9, max_seconds: 1 } }],
    "tasks[0].retry.max_seconds",
    /below/,
  ],
  [
    "outputs that are no schema",
    [{ ...a, outputs: { type: "x" } }],
    "tasks[0].outputs",
    /outputs\.type/,
  ],
  ["inputs that are no schema", [a], "inputs", /inputs\.type/, { inputs: { type: "x" } }],
  [
    "a reserved variable",
    [{ ...a, environment: { PIPELZR_X: "1" } }],
    "tasks[0].environment.PIPELZR_X",
    /service's own/,
  ],
  [
    "a reserved variable of the pipeline",
    [a],
    "environment.PIPELZR_X",
    /service's own/,
    { environment: { PIPELZR_X: "1" } },
  ],
  [
    "files from a task that runs beside",
    [a, { ...a, name: "b", use_artifacts: [{ from: "a" }] }],
    "tasks[1].use_artifacts[0].from",
    /add it to needs/,
  ],
  [
    "files put outside of the workspace",
    [
      { ...a, artifacts: ["*"] },
      { ...a, name: "b", needs: "a", use_artifacts: [{ from: "a", path: "../x" }] },
    ],
    "tasks[1].use_artifacts[0].path",
    /relative/,
  ],
  [
    "code beside an approval",
    [{ name: "a", approval: true, secrets: ["X"] }],
    "tasks[0].secrets",
    /has no secrets/,
  ],
  [
    "a matrix of approvals",
    [{ name: "a", approval: true, strategy: { matrix: { v: [1] } } }],
    "tasks[0].strategy",
    /has no strategy/,
  ],
  [
    "a gate's time in the wrong place",
    [{ name: "a", approval: true, timeout_seconds: 9 }],
    "tasks[0].timeout_seconds",
    /into approval/,
  ],
  ["a wait for nothing", [{ name: "a", wait: {} }], "tasks[0].wait", /either seconds or a signal/],
  [
    "a wait of no number",
    [{ name: "a", wait: { seconds: "soon" } }],
    "tasks[0].wait.seconds",
    /Give a number/,
  ],
  [
    "an axis without values",
    [{ ...a, strategy: { matrix: { v: [] } } }],
    "tasks[0].strategy.matrix.v",
    /at least one value/,
  ],
  [
    "a matrix without axes",
    [{ ...a, strategy: { matrix: {} } }],
    "tasks[0].strategy.matrix",
    /at least one axis/,
  ],
  [
    "a matrix that excludes itself",
    [{ ...a, strategy: { matrix: { v: [1], exclude: [{ v: 1 }] } } }],
    "tasks[0].strategy.matrix.exclude",
    /no item/,
  ],
  [
    "a matrix that is too large",
    [{ ...a, strategy: { matrix: { v: Array(1_001).fill(0) } } }],
    "tasks[0].strategy.matrix",
    /at most 1000/,
  ],
  [
    "too many steps by matrices",
    Array.from({ length: 11 }, (_, at) => ({
      ...a,
      name: `m${at}`,
      strategy: { matrix: { v: Array(1_000).fill(at) } },
    })),
    "tasks",
    /11011 steps/,
  ],
  [
    "more than a definition may hold",
    [
      {
        ...a,
        files: Object.fromEntries(
          ["a", "b", "c", "d", "e"].map((path) => [path, "x".repeat(900_000)]),
        ),
      },
    ],
    "",
    /bytes of JSON/,
  ],
];

describe("a mistake is named once, with its place", () => {
  it.each(MISTAKES)("%s", (_, tasks, path, message, members = {}) => {
    expect(issuesOf(tasks, members)).toEqual([{ path, message: expect.stringMatching(message) }]);
  });
});

const b = { name: "b", command: "true", needs: "a" };
const WRONG_EXPRESSIONS: readonly [string, object, string, RegExp][] = [
  [
    "a syntax error",
    { inputs: { x: ["${{ (1 }}"] } },
    "tasks[1].inputs.x[0]",
    /too early.*At character/,
  ],
  ["an unknown task", { inputs: "${{ tasks.aa.result }}" }, "tasks[1].inputs", /Did you mean "a"/],
  [
    "a task that is not upstream",
    { inputs: "${{ tasks.beside.result }}" },
    "tasks[1].inputs",
    /"beside" may not have ended.*add it to needs/,
  ],
  ["itself", { inputs: "${{ tasks.b.result }}" }, "tasks[1].inputs", /itself/],
  [
    "a computed task",
    { inputs: "${{ tasks[inputs.x].result }}" },
    "tasks[1].inputs",
    /Name the task/,
  ],
  [
    "an unknown member of a task",
    { inputs: "${{ tasks.a.output }}" },
    "tasks[1].inputs",
    /no "output"/,
  ],
  [
    "the result of a matrix",
    { needs: "m", inputs: "${{ tasks.m.result }}" },
    "tasks[1].inputs",
    /tasks\.m\.results/,
  ],
  [
    "the results of one task",
    { inputs: "${{ tasks.a.results }}" },
    "tasks[1].inputs",
    /tasks\.a\.result\./,
  ],
  ["an unknown context", { if: "needs.a.result" }, "tasks[1].if", /Did you mean tasks/],
  [
    "matrix values without a matrix",
    { inputs: "${{ matrix.v }}" },
    "tasks[1].inputs",
    /Only a task with strategy/,
  ],
  [
    "an axis that is not there",
    { strategy: { matrix: { vee: [1] } }, inputs: "${{ matrix.ve }}" },
    "tasks[1].inputs",
    /Did you mean vee/,
  ],
  [
    "matrix values in a condition",
    { strategy: { matrix: { v: [1] } }, if: "matrix.v == 1" },
    "tasks[1].if",
    /before there are items/,
  ],
  [
    "a status outside of a condition",
    { inputs: "${{ success() }}" },
    "tasks[1].inputs",
    /only be asked in if/,
  ],
  ["text beside a condition", { if: "${{ failure() }} && true" }, "tasks[1].if", /whole condition/],
  [
    "a secret in inputs",
    { inputs: "${{ secrets.X }}" },
    "tasks[1].inputs",
    /whole environment value/,
  ],
  [
    "a secret in a part of a variable",
    { environment: { T: "Bearer ${{ secrets.X }}" } },
    "tasks[1].environment.T",
    /whole environment value/,
  ],
  [
    "a secret in a command",
    { command: "echo ${{ secrets.X }}" },
    "tasks[1].command",
    /whole environment value/,
  ],
  [
    "a variable that is a secret",
    { environment: { T: "${{ secrets.X }}" }, inputs: "${{ env.T }}" },
    "tasks[1].inputs",
    /holds a secret/,
  ],
  [
    "a variable that is not set",
    { environment: { TOKEN: "1" }, inputs: "${{ env.TOKNE }}" },
    "tasks[1].inputs",
    /Did you mean TOKEN/,
  ],
  [
    "a step's variable in its condition",
    { environment: { T: "1" }, if: "env.T" },
    "tasks[1].if",
    /No environment variable/,
  ],
  [
    "an unknown member of the run",
    { inputs: "${{ run.nr }}" },
    "tasks[1].inputs",
    /no "nr" in run/,
  ],
  [
    "an input that cannot be",
    { inputs: "${{ inputs.nmae }}" },
    "tasks[1].inputs",
    /Did you mean name/,
  ],
  [
    "an expression in source text",
    { command: null, script: "x = ${{ inputs.name }}" },
    "tasks[1].script",
    /passed as it is written/,
  ],
];

it("a sandbox is shared by steps of e2b alone", () => {
  const sandbox = { reuse: "run" };
  const step = { name: "a", command: "true", sandbox };
  expect(issuesOf([step])).toEqual([
    { path: "tasks[0].sandbox", message: expect.stringContaining('"e2b"') },
  ]);
  const odd = { ...step, task_type: "e2b", sandbox: { reuse: "always" } };
  expect(issuesOf([odd]).map(({ path }) => path)).toContain("tasks[0].sandbox.reuse");
});

describe("an expression is refused for", () => {
  const others = [
    { name: "beside", command: "true" },
    { name: "m", command: "true", strategy: { matrix: { v: [1] } } },
  ];
  const inputs = { type: "object", properties: { name: {}, x: {} }, additionalProperties: false };

  it.each(WRONG_EXPRESSIONS)("%s", (_, step, path, message) => {
    expect(issuesOf([a, { ...b, ...step }, ...others], { inputs })).toEqual([
      { path, message: expect.stringMatching(message) },
    ]);
  });

  it("what the pipeline itself cannot know", () => {
    const members = {
      environment: { A: "${{ tasks.a.result }}", B: "${{ inputs.x }}", C: "${{ secrets.S }}" },
      outputs: { x: "${{ tasks.none.result }}", y: "${{ tasks.a.result }}" },
    };
    expect(issuesOf([a], members).map(({ path }) => path)).toEqual(["environment.A", "outputs.x"]);
  });

  it("nothing that is right", () => {
    const steps = [
      { ...b, if: "failure() && tasks.A.state == 'failed'" },
      { ...b, name: "c", needs: "b", inputs: "${{ tasks.a.result.x[inputs.name] }}" },
      {
        ...b,
        name: "d",
        inputs: ["${{ tasks.*.result }}", "${{ toJSON(tasks) }}", "${{ run.number }}"],
      },
      { ...b, name: "e", script: "export default (i) => `${i.x}`", command: null },
      {
        ...b,
        name: "f",
        strategy: { matrix: { v: "${{ tasks.a.result }}" } },
        command: "x ${{ matrix.v }}",
      },
    ];
    expect(issuesOf([a, ...steps, ...others], { inputs })).toEqual([]);
  });
});

describe("all problems", () => {
  it("come in one answer, also beside tasks whose shape is wrong", () => {
    const paths = issuesOf(
      [{ name: "a", comand: "x" }, { ...b, needs: ["a", "zz"], inputs: "${{ foo }}" }, "no task"],
      { max_parallel: 0, timeout: 1 },
    ).map(({ path }) => path);
    expect(paths).toEqual([
      "timeout",
      "max_parallel",
      "tasks[0].comand",
      "tasks[2]",
      "tasks[1].needs[1]",
      "tasks[1].inputs",
    ]);
  });

  it("have a line and a column in YAML", () => {
    const text = `name: review
tasks:
  - name: list
    command: ls
  - name: test
    needs: [lst]
    command: ls
    inputs:
      x: \${{ tasks.list.result }}
      y: "\${{ inputs.z"
`;
    expect(parseDefinitionYaml(text, { config }).issues).toMatchObject([
      { path: "tasks[1].needs[0]", line: 6, column: 13 },
      { path: "tasks[1].inputs.x", line: 9, column: 7 },
      { path: "tasks[1].inputs.y", line: 10, column: 7 },
    ]);
  });

  it("are said of any JSON without an exception, and what passes can be compiled", () => {
    const name = fc.constantFrom("a", "b", "c", "A", "1");
    const text = fc.constantFrom(
      "${{ tasks.a.result }}",
      "${{ matrix.v }}",
      "x",
      "${{",
      "always()",
    );
    const task = fc.record(
      {
        name,
        needs: fc.oneof(name, fc.array(name, { maxLength: 2 })),
        command: fc.oneof(text, fc.constant(null)),
        approval: fc.constantFrom(true, false, {}),
        if: fc.oneof(text, fc.boolean()),
        inputs: fc.oneof(text, fc.jsonValue({ maxDepth: 2 })),
        strategy: fc.record({
          matrix: fc.oneof(text, fc.dictionary(name, fc.array(text), { maxKeys: 2 })),
        }),
      },
      { requiredKeys: ["name"] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: task }, fc.jsonValue())), (tasks) => {
        const { definition, issues } = parseDefinition({ name: "p", tasks }, { config });
        expect(definition === null).toBe(issues.length > 0);
        if (definition !== null) compile(definition, { default_timeout_ms: null });
      }),
      { numRuns: 500 },
    );
  });
});
