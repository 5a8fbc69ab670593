/** What is wrong with steps that are agents is said when the definition is sent. */
import { describe, expect, it } from "vitest";
import { parseDefinition } from "./definition.ts";
import { config } from "./test-support.ts";

const a = { name: "a", command: "true" };

/** One mistake each: the tasks, the path of the only issue, and what its message says. */
const MISTAKES: readonly [string, readonly unknown[], string, RegExp][] = [
  ["an agent with nothing to do", [{ name: "s", agent: {} }], "tasks[0].agent.prompt", /Required/],
  [
    "an agent with an unknown member",
    [{ name: "s", agent: { prompt: "x", promt: 1 } }],
    "tasks[0].agent.promt",
    /did you mean prompt\?/,
  ],
  [
    "an agent with skills that are not known in time",
    [{ name: "s", agent: { prompt: "x", skills: ["${{ inputs.skill }}"] } }],
    "tasks[0].agent.skills[0]",
    /pinned/,
  ],
  [
    "an agent that is told of what has not ended",
    [a, { name: "s", agent: { prompt: "${{ tasks.a.result }}" } }],
    "tasks[1].agent.prompt",
    /add it to needs/,
  ],
  [
    "an agent's codebase that depends on a task",
    [a, { name: "s", needs: ["a"], agent: { prompt: "x", codebase: "${{ tasks.a.result }}" } }],
    "tasks[1].agent.codebase",
    /tasks is not known here/,
  ],
];

describe("a step that is an agent", () => {
  it.each(MISTAKES)("is refused when it is %s", (_, tasks, path, message) => {
    const { issues } = parseDefinition({ name: "p", tasks }, { config });
    expect(issues).toEqual([{ path, message: expect.stringMatching(message) }]);
  });
});
