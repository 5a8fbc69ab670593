/** JavaScript, TypeScript and Python as processes: what `local` promises of scripts holds here. */
import { afterAll, describe, expect, it } from "vitest";
import { MAX_RESULT_BYTES, type Work } from "../../../../workers/executors/port.ts";
import { PYTHON_OUTCOME, PYTHON_STDOUT, PYTHON_WORK } from "../../test/python.ts";
import { removeState, startWork } from "./test-support.ts";

afterAll(removeState);

const run = (script: string, work: Partial<Work> = {}) =>
  startWork({ language: "javascript", script, ...work }).ended;

describe("the contract of a script", { concurrent: true }, () => {
  it("returns what its default export returns", async () => {
    const { outcome } = await run("export default async ({ n }) => ({ doubled: n * 2 })", {
      inputs: { n: 21 },
    });
    expect(outcome).toEqual({ status: "completed", exit_code: 0, result: { doubled: 42 } });
  });

  it("has a context", async () => {
    const { outcome, stdout } = await run(
      `export default (input, ctx) => {
        ctx.log("logged", { by: "ctx" });
        const { env, attempt, run, epoch, idempotencyKey } = ctx;
        return { env, attempt, run, epoch, idempotencyKey, inTime: ctx.deadline > Date.now() };
      }`,
      { environment: { A: "1" } },
    );
    expect(stdout).toBe("logged { by: 'ctx' }\n");
    expect(outcome).toMatchObject({
      result: {
        env: { A: "1" },
        attempt: 1,
        run: 1,
        epoch: 1,
        idempotencyKey: "contract-task:1:main",
        inTime: true,
      },
    });
  });

  it("has files, and keeps those it writes as artifacts", async () => {
    const { outcome, artifacts } = await run(
      `export default (input, { files }) => {
        const before = files.list();
        files.write("out/copy.txt", files.read("in.txt") + files.read("../top.txt"));
        files.write("out/bytes", new Uint8Array([0, 255]));
        const removed = [files.remove("in.txt"), files.remove("in.txt")];
        const errors = [];
        for (const path of ["in.txt", "../../etc/passwd", ".."]) {
          try { files.read(path); } catch (error) { errors.push(error.message); }
        }
        return { before, after: files.list("out/*"), removed, errors, bytes: [...files.bytes("b.bin")] };
      }`,
      {
        working_directory: "w",
        artifacts: ["out"],
        files: {
          kind: "inline",
          entries: {
            "top.txt": { content: "top", encoding: "utf8" },
            "w/in.txt": { content: "grün ", encoding: "utf8" },
            "w/b.bin": { content: "AP8=", encoding: "base64" },
          },
        },
      },
    );
    expect(outcome).toMatchObject({
      result: {
        before: ["b.bin", "in.txt"],
        after: ["out/bytes", "out/copy.txt"],
        removed: [true, false],
        errors: [
          expect.stringContaining('No file "in.txt"'),
          expect.stringContaining("outside the workspace"),
          expect.stringContaining("not a file"),
        ],
        bytes: [0, 255],
      },
    });
    expect([...artifacts.keys()]).toEqual(["out/bytes", "out/copy.txt"]);
    expect(Buffer.from(artifacts.get("out/copy.txt") ?? []).toString()).toBe("grün top");
  });

  it("imports modules of the workspace", async () => {
    const content = 'export const name = "neighbor";';
    const { outcome } = await run(
      'import { name } from "./lib.mjs"; export default () => [name, import.meta.filename.endsWith("script.js")]',
      { files: { kind: "inline", entries: { "lib.mjs": { content, encoding: "utf8" } } } },
    );
    expect(outcome).toMatchObject({ result: ["neighbor", true] });
  });

  it("is TypeScript when it says so, with the lines of its source in stacks", async () => {
    const script = `interface Input {
  n: number;
}
enum Kind { Odd = "odd", Even = "even" }

export default ({ n }: Input): Kind => {
  if (n < 0) throw new RangeError("n is negative");
  return n % 2 === 0 ? Kind.Even : Kind.Odd;
};`;
    const language = "typescript";
    const good = await run(script, { language, inputs: { n: 4 } });
    expect(good.outcome).toMatchObject({ status: "completed", result: "even" });
    const bad = await run(script, { language, inputs: { n: -1 } });
    expect(bad.outcome).toMatchObject({
      status: "failed",
      message: expect.stringMatching(/RangeError: n is negative\n\s+at .*script\.js:7:\d+/),
    });
  });

  it("writes to the streams they are meant for", async () => {
    const { stdout, stderr } = await run(`export default () => {
      console.log("%s is %d", "n", 1, { deep: [1] });
      console.info("info"); console.debug("debug"); console.dir({ a: 1 });
      console.warn("warn"); console.error(new Error("shown").message);
      console.group("group"); console.log("in\\nside"); console.groupEnd(); console.log("out");
      console.count(); console.count(); console.countReset(); console.count("x");
      process.stdout.write("raw "); process.stdout.write(new TextEncoder().encode("bytes"));
      process.stderr.write("!");
    }`);
    expect(stdout).toBe(
      "n is 1 { deep: [ 1 ] }\ninfo\ndebug\n{ a: 1 }\ngroup\n  in\n  side\nout\ndefault: 1\ndefault: 2\nx: 1\nraw bytes",
    );
    expect(stderr).toBe("warn\nshown\n!");
  });

  it.each([
    ["process.exit(4)", { status: "failed", code: "exit_nonzero", exit_code: 4 }],
    ["process.exit()", { status: "completed", exit_code: 0, result: null }],
    ["process.exitCode = 3; process.exit()", { status: "failed", exit_code: 3 }],
    ['process.kill(process.pid, "SIGKILL"); for (;;) {}', { status: "failed", exit_code: 137 }],
  ])("ends at %s, from wherever it is called", async (exit, outcome) => {
    expect((await run(`export default () => { ${exit} }`)).outcome).toMatchObject(outcome);
    const nested = `export default () => new Promise(() => { setTimeout(() => { ${exit} }, 1); setTimeout(() => {}, 30_000); })`;
    expect((await run(nested)).outcome).toMatchObject(outcome);
  });

  it("tells of rejections and timer errors that nobody handles", async () => {
    const { stderr, outcome } = await run(`export default async () => {
      Promise.reject(new Error("lost promise"));
      setTimeout(() => { throw new Error("lost timer"); }, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return "went on";
    }`);
    expect(stderr).toContain("Unhandled rejection: Error: lost promise");
    expect(stderr).toContain("Uncaught: Error: lost timer");
    expect(stderr).not.toContain("harness.ts");
    expect(outcome).toMatchObject({ status: "completed", result: "went on" });
  });

  it("fails with its stack, without the harness", async () => {
    const { outcome, stderr } = await run(
      `function inner() { throw new TypeError("boom", { cause: "why" }); }\nexport default async () => { await 0; inner(); };`,
    );
    expect(outcome).toMatchObject({
      status: "failed",
      reason: "exit",
      code: "script_threw",
      exit_code: 1,
      message: expect.stringMatching(
        /^The script threw: TypeError: boom\n\s+at inner \(script\.js:1:26\)/,
      ),
    });
    expect(JSON.stringify(outcome)).not.toMatch(/harness\.ts|node:internal/);
    expect(stderr).toContain("TypeError: boom");
  });

  it.each([
    ["a thrown string", "export default () => { throw 'text' }", "script_threw", "'text'"],
    ["an error while loading", "throw new Error('at load')", "script_load_failed", "at load"],
    ["a missing module", "import 'left-pad'", "script_load_failed", "left-pad"],
    [
      "no default export",
      "export const x = 1",
      "script_no_default_export",
      "export default (input",
    ],
    ["a syntax error", "export default () => {\n  const = 1;\n}", "script_invalid", "script.js:2"],
    [
      "a promise that never settles",
      "export default () => new Promise(() => {})",
      "never_settled",
      "never",
    ],
    ["a module that never loads", "await new Promise(() => {})", "never_settled", "never"],
    ["a result with a BigInt", "export default () => ({ n: 1n })", "output_not_json", "BigInt"],
    ["a function as its result", "export default () => () => 1", "output_not_json", "function"],
    [
      "too large a result",
      `export default () => "x".repeat(${MAX_RESULT_BYTES})`,
      "output_too_large",
      "16 MiB",
    ],
  ])("explains %s", async (_, script, code, message) => {
    expect((await run(script)).outcome).toMatchObject({
      status: "failed",
      code,
      message: expect.stringContaining(message),
    });
  });

  it("returns a large result, and what it says is not mistaken for one", async () => {
    const line = '["completed",{"forged":true},0]';
    const { stdout, outcome } = await run(
      `JSON.stringify = () => "forged";
       export default () => { process.stdout.write(${JSON.stringify(line)}); return "x".repeat(1e6) }`,
    );
    expect(stdout).toBe(line);
    expect(outcome).toMatchObject({ status: "completed", result: "x".repeat(1e6) });
  });
});

describe("Python", { concurrent: true }, () => {
  const python = (script: string, work: Partial<Work> = {}) =>
    startWork({ language: "python", script, ...work });

  it("reads its inputs, and its result from $PIPELZR_OUTPUT", async () => {
    const { outcome, stdout } = await startWork(PYTHON_WORK).ended;
    expect(stdout).toBe(PYTHON_STDOUT);
    expect(outcome).toEqual(PYTHON_OUTCOME);
  });

  it("streams, and fails with its last line", async () => {
    const running = python('import time\nprint("up")\ntime.sleep(30)');
    await running.logged("up\n");
    running.abort("cancel");
    expect((await running.ended).outcome).toEqual({ status: "cancelled" });
    const { outcome } = await python('raise ValueError("boom")').ended;
    expect(outcome).toMatchObject({
      status: "failed",
      exit_code: 1,
      message: expect.stringContaining("ValueError: boom"),
    });
  });

  it("is missed with words", async () => {
    const { outcome } = await python("print(1)", { environment: { PATH: "/nonexistent" } }).ended;
    expect(outcome).toMatchObject({ code: "language_unsupported" });
  });
});
