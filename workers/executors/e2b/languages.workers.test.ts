/** Scripts in the languages of a sandbox. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { offerUntilTaken, type TestOwner } from "../backend-executor.ts";
import type { Work } from "../port.ts";
import { attempt, backend, installFake } from "./test-support.ts";

beforeEach(installFake);
afterEach(() => vi.restoreAllMocks());

async function run(language: Work["language"], script: string, work: Partial<Work> = {}) {
  const owner: TestOwner = attempt({ language, script, ...work });
  await offerUntilTaken(backend, owner.dispatch);
  await expect.poll(() => owner.isOver, { timeout: 20_000, interval: 20 }).toBe(true);
  return owner;
}

describe("scripts", { timeout: 30_000 }, () => {
  it("in JavaScript get input and context, and return the result", async () => {
    const owner = await run(
      "javascript",
      `import { twice } from "./lib.mjs";
       export default async (input, ctx) => {
         console.log("hello", ctx.env.NAME);
         ctx.files.write("out/made.txt", ctx.files.read("in.txt").toUpperCase());
         return { twice: twice(input.n), files: ctx.files.list("*.txt"), ids: [ctx.attempt, ctx.run, ctx.epoch],
           key: ctx.idempotencyKey, late: ctx.deadline > Date.now() };
       };`,
      {
        inputs: { n: 21 },
        environment: { NAME: "sandbox" },
        working_directory: "app",
        artifacts: ["**"],
        files: {
          kind: "inline",
          entries: {
            "app/lib.mjs": { content: "export const twice = (n) => n * 2;", encoding: "utf8" },
            "app/in.txt": { content: "grün", encoding: "utf8" },
          },
        },
      },
    );
    expect(owner.outcome).toEqual({
      status: "completed",
      exit_code: 0,
      result: { twice: 42, files: ["in.txt"], ids: [1, 1, 1], key: "task:1:main", late: true },
    });
    expect(owner.text()).toBe("hello sandbox\n");
    expect([...owner.artifacts.keys()].sort()).toEqual(["in.txt", "lib.mjs", "out/made.txt"]);
  });

  it("in TypeScript lose their types", async () => {
    const script = "interface A { n: number }\nexport default (a: A): number => a.n + 1;";
    const owner = await run("typescript", script, { inputs: { n: 1 } });
    expect(owner.outcome).toEqual({ status: "completed", exit_code: 0, result: 2 });
  });

  it("in JavaScript that go wrong are explained", async () => {
    const scripts = {
      script_threw: "export default () => { throw new Error('no luck'); };",
      script_load_failed: "import './none.js'; export default () => 1;",
      script_no_default_export: "export const a = 1;",
      output_not_json: "export default () => 1n;",
      exit_nonzero: "export default () => process.exit(3);",
    };
    const codes = Object.entries(scripts).map(async ([code, script]) => {
      const { outcome } = await run("javascript", script);
      expect(outcome, script).toMatchObject({ status: "failed", code });
    });
    await Promise.all(codes);
  });

  it("in TypeScript that cannot be parsed never get a sandbox", async () => {
    const owner = await run("typescript", "export default (: => 1");
    expect(owner.outcome).toMatchObject({ status: "failed", code: "script_invalid" });
    expect(owner.reports).not.toContain("started");
  });

  it("in Python write their result to the output file", async () => {
    const owner = await run(
      "python",
      [
        "import json, os, sys",
        "given = json.load(open(os.environ['PIPELZR_INPUT']))",
        "print('from python', file=sys.stderr)",
        "open(os.environ['PIPELZR_OUTPUT'], 'w').write(json.dumps({'n': given['n'] + 1}))",
      ].join("\n"),
      { inputs: { n: 1 } },
    );
    expect(owner.text("stderr")).toBe("from python\n");
    expect(owner.outcome).toEqual({ status: "completed", exit_code: 0, result: { n: 2 } });
  });
});
