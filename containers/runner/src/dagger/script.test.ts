/** JavaScript, TypeScript and Python in containers: what `local` promises of scripts holds here. */
import { afterAll, describe, expect, it } from "vitest";
import type { Work } from "../../../../workers/executors/port.ts";
import { PYTHON_OUTCOME, PYTHON_STDOUT, PYTHON_WORK } from "../../test/python.ts";
import { removeState, startWork } from "./test-support.ts";

afterAll(removeState);

const run = (script: string, work: Partial<Work> = {}) =>
  startWork({ language: "javascript", script, ...work }).ended;

describe("a script", () => {
  it("has inputs, context and files, and returns its result", async () => {
    const { outcome, stdout, stderr, artifacts } = await run(
      `import { name } from "./lib.mjs";
      export default ({ n }, ctx) => {
        ctx.log("logged", { by: name });
        console.error("bad");
        ctx.files.write("out/copy.txt", ctx.files.read("in.txt"));
        const { env, attempt, idempotencyKey } = ctx;
        return { doubled: n * 2, env, attempt, idempotencyKey, files: ctx.files.list("*.txt") };
      }`,
      {
        inputs: { n: 21 },
        environment: { A: "1" },
        working_directory: "w",
        artifacts: ["out"],
        files: {
          kind: "inline",
          entries: {
            "w/in.txt": { content: "grün", encoding: "utf8" },
            "w/lib.mjs": { content: 'export const name = "neighbor";', encoding: "utf8" },
          },
        },
      },
    );
    expect([stdout, stderr]).toEqual(["logged { by: 'neighbor' }\n", "bad\n"]);
    expect(outcome).toEqual({
      ...{ status: "completed", exit_code: 0 },
      result: {
        ...{ doubled: 42, env: { A: "1" }, attempt: 1, files: ["in.txt"] },
        idempotencyKey: "contract-task:1:main",
      },
    });
    expect(Buffer.from(artifacts.get("out/copy.txt") ?? []).toString()).toBe("grün");
  });

  it("is TypeScript when it says so, with the lines of its source in stacks", async () => {
    const script = `interface Input {
  n: number;
}
export default ({ n }: Input): number => {
  if (n < 0) throw new RangeError("n is negative");
  return n;
};`;
    const { outcome } = await run(script, { language: "typescript", inputs: { n: -1 } });
    expect(outcome).toMatchObject({
      ...{ status: "failed", reason: "exit", code: "script_threw", exit_code: 1 },
      message: expect.stringMatching(/RangeError: n is negative\n\s+at .*script\.js:5:\d+/),
    });
    expect(JSON.stringify(outcome)).not.toMatch(/harness|node:internal/);
  });

  it.each([
    ["a syntax error", "export default () => {\n  const = 1;\n}", "script_invalid", "script.js:2"],
    ["no default export", "export const x = 1", "script_no_default_export", "export default"],
    [
      "a promise that never settles",
      "export default () => new Promise(() => {})",
      "never_settled",
      "never",
    ],
    ["process.exit(4)", "process.exit(4)", "exit_nonzero", "code 4"],
  ])("explains %s", async (_, script, code, message) => {
    expect((await run(script)).outcome).toMatchObject({
      ...{ status: "failed", code, message: expect.stringContaining(message) },
    });
  });

  it("asks for an image whose Node.js can run it", async () => {
    const shim = {
      content:
        "#!/bin/sh\necho \"SyntaxError: The requested module 'node:module' does not provide an export named 'registerHooks'\" >&2; exit 1",
      encoding: "utf8",
      mode: "0755",
    } as const;
    const { outcome } = await run("export default () => 1", {
      environment: { PATH: "/workspace:/usr/bin:/bin" },
      files: { kind: "inline", entries: { node: shim } },
    });
    expect(outcome).toMatchObject({
      code: "language_unsupported",
      message: expect.stringContaining("Node.js 22.15 or newer"),
    });
  });
});

describe("Python", () => {
  it("reads its inputs, streams, and leaves its result in $PIPELZR_OUTPUT", async () => {
    const work = { ...PYTHON_WORK, image: "python:3" };
    const { outcome, stdout } = await startWork(work).ended;
    expect(stdout).toBe(PYTHON_STDOUT);
    expect(outcome).toEqual(PYTHON_OUTCOME);
  });
});
