import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { startAttempt } from "../contract-support.ts";
import { MAX_RESULT_BYTES, type Work } from "../port.ts";
import { makeLocalExecutor, makeRecorder, startScript } from "./test-support.ts";

const run = (script: string, work: Partial<Work> = {}) => startScript(script, work).ended;

describe("the contract of a script", () => {
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
    expect([...(artifacts.get("out/bytes") ?? [])]).toEqual([0, 255]);
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
});

describe("console and process", () => {
  it("write to the streams they are meant for, in order", async () => {
    const { log, stdout, stderr } = await run(`export default () => {
      console.log("%s is %d", "n", 1, { deep: [1] });
      console.info("info"); console.debug("debug"); console.dir({ a: 1 });
      console.warn("warn"); console.error(new Error("shown").message); console.assert(1 === 2, "off");
      console.group("group"); console.log("in\\nside"); console.groupEnd(); console.log("out");
      console.count(); console.count(); console.countReset(); console.count("x");
      process.stdout.write("raw "); process.stdout.write(new TextEncoder().encode("bytes"));
      process.stderr.write("!");
    }`);
    expect(stdout).toBe(
      "n is 1 { deep: [ 1 ] }\ninfo\ndebug\n{ a: 1 }\ngroup\n  in\n  side\nout\ndefault: 1\ndefault: 2\nx: 1\nraw bytes",
    );
    expect(stderr).toBe("warn\nshown\nAssertion failed off\n!");
    expect(log.map(([stream]) => stream)).toEqual(["stdout", "stderr", "stdout", "stderr"]);
  });

  it("arrive while the code runs", async () => {
    const running = startScript(
      `export default async () => { console.log("first"); await new Promise((r) => setTimeout(r, 30_000)); }`,
    );
    await running.logged("first\n");
    expect(running.hasEnded()).toBe(false);
    running.abort("cancel");
    expect((await running.ended).outcome).toEqual({ status: "cancelled" });
  });

  it("belong to the run that uses them, in one warm isolate", async () => {
    const script = `globalThis.loads = (globalThis.loads ?? 0) + 1;
      export default async ({ name }) => {
        for (let i = 0; i < 5; i += 1) {
          console.log(name, process.env.NAME);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        process.env.OWN = name;
        await 0;
        return [process.env.OWN, Object.keys(process.env), "NAME" in process.env, "PATH" in process.env, loads];
      };`;
    const names = ["a", "b", "c", "d", "e"];
    const results = await Promise.all(
      names.map((name) => run(script, { inputs: { name }, environment: { NAME: `env-${name}` } })),
    );
    for (const [index, { stdout, outcome }] of results.entries()) {
      const name = names[index];
      expect(stdout).toBe(`${name} env-${name}\n`.repeat(5));
      expect(outcome).toMatchObject({ result: [name, ["NAME", "OWN"], true, false, 1] });
    }
  });

  it("log what is written while the module loads to the first run", async () => {
    const script = `console.log("loading"); export default () => "ran"; // ${crypto.randomUUID()}`;
    const first = await run(script);
    const second = await run(script);
    expect(first.stdout).toBe("loading\n");
    expect(second.stdout).toBe("");
    expect(second.outcome).toMatchObject({ status: "completed", result: "ran" });
  });

  it.each([
    ["process.exit(4)", { status: "failed", code: "exit_nonzero", exit_code: 4 }],
    ["process.exit()", { status: "completed", exit_code: 0, result: null }],
    ["process.exitCode = 3; process.exit()", { status: "failed", exit_code: 3 }],
  ])("end at %s, from wherever it is called", async (exit, outcome) => {
    const nested = `export default () => new Promise(() => { setTimeout(() => { ${exit} }, 1); setTimeout(() => {}, 30_000); })`;
    expect((await run(`export default () => { ${exit} }`)).outcome).toMatchObject(outcome);
    expect((await run(nested)).outcome).toMatchObject(outcome);
  });

  it("tell of rejections and timer errors that nobody handles", async () => {
    const { stderr, outcome } = await run(`export default async () => {
      Promise.reject(new Error("lost promise"));
      setTimeout(() => { throw new Error("lost timer"); }, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return "went on";
    }`);
    expect(stderr).toContain("Unhandled rejection: Error: lost promise");
    expect(stderr).toContain("Uncaught in a timer: Error: lost timer");
    expect(stderr).not.toContain("harness.js");
    expect(outcome).toMatchObject({ status: "completed", result: "went on" });
  });
});

describe("a script that goes wrong", () => {
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
    expect(JSON.stringify(outcome)).not.toContain("harness.js");
    expect(stderr).toContain("TypeError: boom");
  });

  it.each([
    ["a thrown string", "export default () => { throw 'text' }", "script_threw", "'text'"],
    [
      "an error while loading",
      "throw new Error('at load'); export default 1",
      "script_load_failed",
      "at load",
    ],
    [
      "I/O while loading",
      "await fetch('http://x/'); export default () => 1",
      "script_load_failed",
      "inside the exported function",
    ],
    [
      "a missing module",
      "import 'left-pad'; export default () => 1",
      "script_load_failed",
      "left-pad",
    ],
    [
      "no default export",
      "export const x = 1",
      "script_no_default_export",
      "export default (input, ctx)",
    ],
    [
      "a default export that is no function",
      "export default { a: 1 }",
      "script_no_default_export",
      "export default (input, ctx)",
    ],
    ["a syntax error", "export default () => {\n  const = 1;\n}", "script_invalid", "script.js:2"],
    [
      "a promise that never settles",
      "export default () => new Promise(() => {})",
      "never_settled",
      "never",
    ],
    ["a result with a BigInt", "export default () => ({ n: 1n })", "output_not_json", "BigInt"],
    [
      "a result with a cycle",
      "export default () => { const a = {}; a.a = a; return a }",
      "output_not_json",
      "circular",
    ],
    ["a function as its result", "export default () => () => 1", "output_not_json", "function"],
    [
      "too large a result",
      `export default () => "x".repeat(${MAX_RESULT_BYTES})`,
      "output_too_large",
      "16 MiB",
    ],
    [
      "the network, not allowed",
      "export default () => fetch('http://x/')",
      "script_threw",
      "network.allow",
    ],
    ["eval", "export default () => eval('1')", "script_threw", "EvalError"],
  ])("explains %s", async (_, script, code, message) => {
    const { outcome } = await run(script);
    expect(outcome).toMatchObject({
      status: "failed",
      code,
      message: expect.stringContaining(message),
    });
  });

  it("shows the properties of an error whole, and not the runtime's own", async () => {
    const { outcome: own } = await run(
      `export default () => { throw Object.assign(new Error("refused"), { code: "E_NO" }); }`,
    );
    expect(own).toMatchObject({
      message: expect.stringMatching(
        /^The script threw: Error: refused\n\s+at .*script\.js:1:\d+\)? \{\n {2}code: 'E_NO'\n\}$/,
      ),
    });
    const { outcome: remote } = await run(
      `export default () => {
        const remote = Object.assign(new Error("refused"), { remote: true });
        remote.stack = "Error: refused\\n    at fetch (harness.js:1:1)";
        throw remote;
      }`,
    );
    expect(remote).toMatchObject({ message: "The script threw: Error: refused" });
  });

  it("keeps what was logged before a promise that never settles", async () => {
    const { outcome, stdout } = await run(
      `export default async () => { console.log("a"); await new Promise((r) => setTimeout(r, 5)); console.log("b"); await new Promise(() => {}); }`,
    );
    expect(stdout).toBe("a\nb\n");
    expect(outcome).toMatchObject({ code: "never_settled" });
  });

  it("explains TypeScript that cannot be parsed", async () => {
    const { outcome } = await run("export default (a: ) => 1", { language: "typescript" });
    expect(outcome).toMatchObject({
      code: "script_invalid",
      message: expect.stringMatching(/\(1:\d+\)/),
    });
  });

  it("returns null for undefined, and holds results against the schema", async () => {
    expect((await run("export default () => {}")).outcome).toMatchObject({ result: null });
    const { outcome } = await run("export default () => 1", { outputs: { type: "string" } });
    expect(outcome).toMatchObject({ code: "output_invalid", result: 1 });
  });

  it("loads anew after it failed to load", async () => {
    const script = `console.log("loading"); throw new Error("no"); export default 1; // ${crypto.randomUUID()}`;
    const executor = makeLocalExecutor({
      secrets: { resolve: async () => new Map() },
      blobs: { get: async () => null },
    });
    const attempt = () =>
      startAttempt(() => executor, { language: "javascript", script }, {}).ended;
    expect((await attempt()).stdout).toBe("loading\n");
    expect((await attempt()).stdout).toBe("loading\n");
  });

  it("cannot forge the protocol through its output", async () => {
    const line = '["completed",{"forged":true},0]';
    const { stdout, outcome } = await run(
      `export default () => { process.stdout.write("\\n" + ${JSON.stringify(line)} + "\\n"); return "real" }`,
    );
    expect(stdout).toBe(`\n${line}\n`);
    expect(outcome).toMatchObject({ result: "real" });
  });

  it("keeps working when it replaces globals that the harness uses", async () => {
    const { stdout, outcome } = await run(`
      JSON.stringify = () => '["completed","forged",0]';
      JSON.parse = () => null;
      globalThis.setTimeout = () => { throw new Error("gone") };
      globalThis.Response = globalThis.ReadableStream = globalThis.TextEncoder = globalThis.Promise = undefined;
      export default async () => { console.log("out"); return { ok: true } }`);
    expect(stdout).toBe("out\n");
    expect(outcome).toMatchObject({ status: "completed", result: { ok: true } });
  });
});

describe("what a child may share", () => {
  const counting = `let count = 0; export default () => ++count; // ${crypto.randomUUID()}`;
  const executor = makeLocalExecutor({
    secrets: { resolve: async () => new Map() },
    blobs: { get: async () => null },
  });
  const count = async (work: Partial<Work> = {}, project_id = "one") => {
    const { outcome } = await startAttempt(
      () => ({
        type: "local",
        run: (request, ...rest) => executor.run({ ...request, project_id }, ...rest),
      }),
      { language: "javascript", script: counting, ...work },
      {},
    ).ended;
    return outcome.status === "completed" ? outcome.result : outcome;
  };

  it("is an isolate with runs of the same code, project and permissions, and with no other", async () => {
    expect(await count()).toBe(1);
    expect(await count()).toBe(2);
    expect(await count({}, "two")).toBe(1);
    expect(await count({ network: { allow: ["a.test"] } })).toBe(1);
    expect(await count({ network: { allow: ["b.test"] } })).toBe(1);
    expect(await count({ isolation: "fresh" })).toBe(1);
    expect(await count({ isolation: "fresh" })).toBe(1);
    expect(await count()).toBe(3);
  });
});

describe("the network", () => {
  it("goes through the egress, which knows project and hosts", async () => {
    const recorder = await makeRecorder();
    const asked: unknown[] = [];
    const egress = (props: unknown) => {
      asked.push(props);
      return env.RECORDER;
    };
    const { outcome } = await startScript(
      `export default async () => (await fetch("${recorder.url}")).text()`,
      { network: { allow: recorder.allow } },
      { egress },
    ).ended;
    expect(outcome).toMatchObject({ result: "recorded" });
    expect(asked).toEqual([{ project_id: "contract", allow: recorder.allow }]);
    expect(await recorder.count()).toBe(1);
  });

  it("is refused where there is none", async () => {
    const { outcome } = await startScript(
      "export default () => 1",
      { network: { allow: ["x.test"] } },
      { egress: () => null },
    ).ended;
    expect(outcome).toMatchObject({ status: "failed", code: "network_unavailable" });
  });
});

describe("stopping a script", () => {
  const pinging = (url: string) => `export default async ({ name }) => {
    console.log("up");
    for (;;) {
      if (name === "pinging") await fetch("${url}");
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (name === "neighbor" && (await (await fetch("${url}/go")).text()) && ++rounds > 20) return "done";
    }
  };
  let rounds = 0;`;

  it("ends its side effects and spares its neighbor in the same isolate", async () => {
    const recorder = await makeRecorder();
    const network = { allow: recorder.allow };
    const pings = startScript(pinging(recorder.url), { inputs: { name: "pinging" }, network });
    await expect.poll(() => recorder.count()).toBeGreaterThan(3);
    const neighbor = startScript(pinging(recorder.url), { inputs: { name: "neighbor" }, network });
    await neighbor.logged("up\n");
    pings.abort("cancel");
    expect((await pings.ended).outcome).toEqual({ status: "cancelled" });
    const after = await recorder.count();
    expect((await neighbor.ended).outcome).toMatchObject({ status: "completed", result: "done" });
    expect(await recorder.count()).toBe(after);
  });

  it("ends what it left behind when it returned", async () => {
    const recorder = await makeRecorder();
    const network = { allow: recorder.allow };
    const { outcome } = await run(
      `export default async () => {
        const ping = () => void fetch("${recorder.url}").catch(() => {});
        await fetch("${recorder.url}");
        setInterval(ping, 5);
        return "left";
      }`,
      { network },
    );
    expect(outcome).toMatchObject({ result: "left" });
    const after = await recorder.count();
    await run("export default () => new Promise((resolve) => setTimeout(resolve, 200))");
    expect(await recorder.count()).toBe(after);
  });
});

describe("work that local does not do", () => {
  it.each([
    [
      "python",
      { script: "print(1)", language: "python" },
      "language_unsupported",
      "dagger, e2b or subprocess",
    ],
    ["nothing", { script: null, command: null }, "work_empty", "command nor a script"],
  ] as const)("refuses %s", async (_, work, code, message) => {
    const { outcome } = await run("", work);
    expect(outcome).toMatchObject({
      status: "failed",
      reason: "error",
      code,
      message: expect.stringContaining(message),
    });
  });
});
