/**
 * What every executor does, as tests: the specification of `port.ts`. A test file of an executor
 * calls `describeExecutorContract`; what a backend cannot do is said in its capabilities.
 */
import { describe, expect, it } from "vitest";
import { LOG_CUT_MARKER } from "./attempt-output.ts";
import { artifactTests } from "./contract-artifacts.ts";
import {
  type AttemptResult,
  type ContractDeps,
  inline,
  startAttempt,
  text,
} from "./contract-support.ts";
import { describeTrees } from "./contract-trees.ts";
import { type Executor, MAX_LOG_BYTES, type TaskType, type Work } from "./port.ts";

/** Something outside the backend that counts requests, to see whether code still runs. */
export interface Recorder {
  /** For the task's `network.allow`. */
  readonly allow: readonly string[];
  readonly url: string;
  count(): Promise<number>;
}

export interface ContractCapabilities {
  readonly task_type: TaskType;
  /** The file mode of an inline file is kept. */
  readonly fileModes: boolean;
  /** Names of files are bytes, and not text. */
  readonly byteNames: boolean;
  /** `curl` reaches the recorder. */
  readonly recorder: (() => Promise<Recorder>) | null;
  /** An executor whose backend goes away while an attempt runs. */
  readonly crashing: ((deps: ContractDeps) => Executor) | null;
}

const TIME_LIMIT_MS = 60_000;

export function describeExecutorContract(
  name: string,
  makeExecutor: (deps: ContractDeps) => Executor,
  capabilities: ContractCapabilities,
): void {
  const attempt = (work: Partial<Work>, deps: Partial<ContractDeps> = {}) =>
    startAttempt(makeExecutor, { task_type: capabilities.task_type, ...work }, deps);
  const run = (command: string, work: Partial<Work> = {}): Promise<AttemptResult> =>
    attempt({ command, ...work }).ended;

  describe(`executor contract: ${name}`, { timeout: TIME_LIMIT_MS }, () => {
    describe("exit codes", () => {
      it("completes on 0", async () => {
        const { outcome } = await run("true");
        expect(outcome).toEqual({ status: "completed", exit_code: 0, result: null });
      });

      it.each([1, 2, 42, 127, 255])("fails on %i", async (code) => {
        const { outcome } = await run(`exit ${code}`);
        expect(outcome).toMatchObject({
          status: "failed",
          reason: "exit",
          code: "exit_nonzero",
          exit_code: code,
        });
      });

      it("quotes the last line of stderr", async () => {
        const { outcome } = await run("echo why it failed >&2; exit 3");
        expect(outcome).toMatchObject({ message: expect.stringContaining("why it failed") });
      });

      it("quotes what was thrown before the trace of that", async () => {
        const trace = "Error: no price\\n    at total (main.js:3:7)\\n\\nNode.js v20.18.1\\n";
        const { outcome } = await run(`printf '${trace}' >&2; exit 1`);
        expect(outcome).toMatchObject({
          message: "Exited with code 1. From stderr: Error: no price.",
        });
      });

      it("reports a command that does not exist as 127", async () => {
        const { outcome, stderr } = await run("no-such-command-anywhere");
        expect(outcome).toMatchObject({ status: "failed", exit_code: 127 });
        expect(stderr).toContain("no-such-command-anywhere");
      });

      it("runs a bash script", async () => {
        const script = 'total=0\nfor n in 1 2 3; do\n  total=$((total + n))\ndone\necho "$total"\n';
        const { outcome, stdout } = await attempt({ script, language: "bash" }).ended;
        expect(outcome).toMatchObject({ status: "completed" });
        expect(stdout).toBe("6\n");
      });
    });

    describe("output", () => {
      it("keeps the streams apart and the order of what follows one another", async () => {
        const { log, stdout, stderr } = await run(
          "echo 1; sleep 0.05; echo 2 >&2; sleep 0.05; echo 3; sleep 0.05; echo 4 >&2",
        );
        expect(stdout).toBe("1\n3\n");
        expect(stderr).toBe("2\n4\n");
        expect(log.map(([, chunk]) => chunk).join("")).toBe("1\n2\n3\n4\n");
      });

      it("keeps Unicode whole", async () => {
        const { stdout } = await run("echo 'grün – 日本語 – 🙂👩‍👩‍👧'");
        expect(stdout).toBe("grün – 日本語 – 🙂👩‍👩‍👧\n");
      });

      it("keeps the bytes of output without a newline at its end", async () => {
        const { stdout, stderr } = await run("printf 'a\\tb'; printf 'c' >&2");
        expect(stdout).toBe("a\tb");
        expect(stderr).toBe("c");
      });

      it("reports nothing when nothing is written", async () => {
        expect((await run("true")).log).toEqual([]);
      });

      it("cuts what exceeds the limit and says so", async () => {
        const files = inline({ "block.txt": text(`${"x".repeat(1023)}\n`.repeat(1024)) });
        const mebibytes = MAX_LOG_BYTES / (1024 * 1024);
        const { outcome, stdout } = await run(
          `for i in $(seq ${mebibytes + 2}); do cat block.txt; done`,
          files,
        );
        expect(outcome).toMatchObject({ status: "completed" });
        expect(stdout.length).toBe(MAX_LOG_BYTES + LOG_CUT_MARKER.length);
        expect(
          stdout.endsWith(`x${LOG_CUT_MARKER}`) || stdout.endsWith(`\n${LOG_CUT_MARKER}`),
        ).toBe(true);
      });

      it("streams while the code runs", async () => {
        const running = attempt({ command: "echo first; sleep 30; echo last" });
        await running.logged("first\n");
        expect(running.hasEnded()).toBe(false);
        running.abort("cancel");
        expect((await running.ended).stdout).toBe("first\n");
      });
    });

    describe("environment", () => {
      it("gives the task's variables, verbatim", async () => {
        const value = "a b\"'$HOME`\\ é\n=";
        const { stdout } = await run('printf %s "$VALUE"', { environment: { VALUE: value } });
        expect(stdout).toBe(value);
      });

      it("has HOME, PATH and PWD, and nothing of the host", async () => {
        const { stdout } = await run(
          'test -d "$HOME" && test -n "$PATH" && [ "$PWD" = "$(pwd)" ] && env',
        );
        expect(stdout).not.toBe("");
        expect(stdout).not.toMatch(/MASTER_KEY|API_KEY|ENVIRONMENT=|npm_/);
      });

      it("gives the inputs as JSON in the file that $PIPELZR_INPUT names", async () => {
        const inputs = { name: "é", list: [1, null, { a: true }] };
        const { stdout } = await run('cat "$PIPELZR_INPUT"', { inputs });
        expect(JSON.parse(stdout)).toEqual(inputs);
      });

      it("tells try and idempotency key", async () => {
        const { stdout } = await run('echo "$PIPELZR_ATTEMPT $PIPELZR_IDEMPOTENCY_KEY"');
        expect(stdout).toBe("1 contract-task:1:main\n");
      });
    });

    describe("files", () => {
      it("has text, nested and binary files in the workspace", async () => {
        const binary = Uint8Array.from({ length: 256 }, (_, index) => index);
        const content = Buffer.from(binary).toString("base64");
        const { stdout } = await run("cat a.txt deep/er/b.txt; base64 -w 0 c.bin; wc -c < c.bin", {
          ...inline({
            "a.txt": text("grün\n"),
            "deep/er/b.txt": text("b\n"),
            "c.bin": { content, encoding: "base64" },
          }),
        });
        expect(stdout.replaceAll(" ", "")).toBe(`grün\nb\n${content}256\n`);
      });

      it.runIf(capabilities.fileModes)("keeps the mode of a file", async () => {
        const { stdout } = await run("./tool.sh", {
          ...inline({ "tool.sh": { ...text("#!/bin/bash\necho ran\n"), mode: "0755" } }),
        });
        expect(stdout).toBe("ran\n");
      });

      it("loads a stored file set", async () => {
        const body = JSON.stringify({ "big.txt": text("stored\n") });
        const { stdout } = await attempt(
          { command: "cat big.txt", files: { kind: "stored", key: "sets/1", bytes: body.length } },
          { blobs: { get: async (key) => (key === "sets/1" ? new Response(body) : null) } },
        ).ended;
        expect(stdout).toBe("stored\n");
      });

      it("mounts what earlier steps kept, as it is and over files of the same path", async () => {
        const bytes = new Uint8Array([0, 255, 10]);
        const blobs = { get: async (key: string) => (key === "kept" ? new Response(bytes) : null) };
        const { stdout } = await attempt(
          {
            command: "base64 in/raw.bin",
            ...inline({ "in/raw.bin": text("covered") }),
            mounts: [{ path: "in/raw.bin", key: "kept" }],
          },
          { blobs },
        ).ended;
        expect(stdout.trim()).toBe("AP8K");
      });

      it("fails when what an earlier step kept is gone, or belongs outside", async () => {
        const gone = await run("true", { mounts: [{ path: "a", key: "none" }] });
        expect(gone.outcome).toMatchObject({ status: "failed", code: "artifact_missing" });
        const outside = await run("true", { mounts: [{ path: "../a", key: "none" }] });
        expect(outside.outcome).toMatchObject({ status: "failed", code: "file_path_invalid" });
      });

      it("fails when a stored file set is gone", async () => {
        const files = { kind: "stored", key: "none", bytes: 1 } as const;
        const { outcome } = await run("true", { files });
        expect(outcome).toMatchObject({ status: "failed", reason: "error", code: "files_missing" });
      });

      it.each(["../up", "/abs", "a/../../b", "a//b", ""])("refuses the path %j", async (path) => {
        const { outcome } = await run("true", inline({ [path]: text("x") }));
        expect(outcome).toMatchObject({ status: "failed", code: "file_path_invalid" });
      });

      it("starts in the working directory", async () => {
        const { stdout } = await run("cat in.txt; basename $(pwd)", {
          ...inline({ "sub/dir/in.txt": text("here\n") }),
          working_directory: "sub/dir",
        });
        expect(stdout).toBe("here\ndir\n");
      });

      it("makes a working directory that no file is in", async () => {
        expect((await run("basename $(pwd)", { working_directory: "new" })).stdout).toBe("new\n");
      });

      it("refuses a working directory outside", async () => {
        const { outcome } = await run("true", { working_directory: "../.." });
        expect(outcome).toMatchObject({ status: "failed", code: "file_path_invalid" });
      });

      it("shares no files between attempts", async () => {
        const temporary = "${TMPDIR:-/tmp}/trace.txt";
        await run(`echo left > trace.txt; echo left > "${temporary}"`);
        expect(
          (await run(`ls trace.txt "${temporary}" 2> /dev/null | wc -l | tr -d ' '`)).stdout,
        ).toBe("0\n");
      });
    });

    describeTrees(attempt);
    describe("results", () => {
      it.each([
        ["key=value lines", "echo a=1; echo 'b=two words'", { a: "1", b: "two words" }],
        ["JSON", `echo '{"n": 1, "list": [true, null]}'`, { n: 1, list: [true, null] }],
        ["a block", "printf 'notes<<EOF\\none\\ntwo\\nEOF\\n'", { notes: "one\ntwo" }],
      ])("reads %s from $PIPELZR_OUTPUT", async (_, command, result) => {
        const { outcome } = await run(`{ ${command}; } >> "$PIPELZR_OUTPUT"`);
        expect(outcome).toEqual({ status: "completed", exit_code: 0, result });
      });

      it("keeps the result of a failed command", async () => {
        const { outcome } = await run('echo a=1 >> "$PIPELZR_OUTPUT"; exit 9');
        expect(outcome).toMatchObject({ status: "failed", exit_code: 9, result: { a: "1" } });
      });

      it("explains a malformed output file", async () => {
        const { outcome } = await run('echo just text >> "$PIPELZR_OUTPUT"');
        expect(outcome).toMatchObject({
          status: "failed",
          reason: "error",
          code: "output_malformed",
          message: expect.stringContaining("line 1"),
        });
      });

      it("holds the result against the outputs schema", async () => {
        const outputs = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
        const good = await run(`echo '{"n": 1}' >> "$PIPELZR_OUTPUT"`, { outputs });
        expect(good.outcome).toMatchObject({ status: "completed" });
        const bad = await run(`echo '{"n": "one"}' >> "$PIPELZR_OUTPUT"`, { outputs });
        expect(bad.outcome).toMatchObject({
          status: "failed",
          reason: "error",
          code: "output_invalid",
          message: expect.stringContaining("result.n"),
        });
      });
    });

    describe("artifacts", () => artifactTests(run, capabilities));

    describe("secrets", () => {
      const value = 'pl-5ecr3t+value/with"quotes';
      const secrets = {
        resolve: async (_: string, names: readonly string[]) =>
          new Map(names.filter((n) => n === "TOKEN").map((n) => [n, value] as const)),
      };
      const secretly = (work: Partial<Work>) => attempt(work, { secrets }).ended;

      it("are variables of their own name, or of the name that refers to them", async () => {
        const { stdout } = await secretly({
          command: 'printf %s "${#TOKEN} ${#OTHER} $PLAIN"',
          secrets: ["TOKEN"],
          environment: { OTHER: "${{ secrets.TOKEN }}", PLAIN: "a ${{ secrets.TOKEN }}" },
        });
        expect(stdout).toBe(`${value.length} ${value.length} a \${{ secrets.TOKEN }}`);
      });

      it("are masked in logs: plain, in base64, and written in pieces", async () => {
        const { stdout, stderr } = await secretly({
          command: [
            'echo "is $TOKEN."',
            'printf %s "$TOKEN" | base64 -w 0; echo',
            'printf %s "${TOKEN:0:7}"; sleep 0.05; printf "%s\\n" "${TOKEN:7}"',
            'echo "err $TOKEN" >&2',
          ].join("\n"),
          secrets: ["TOKEN"],
        });
        expect(stdout).toBe("is ***.\n***\n***\n");
        expect(stderr).toBe("err ***\n");
      });

      it("are masked in results and messages", async () => {
        const { outcome } = await secretly({
          command: 'echo "t=$TOKEN" >> "$PIPELZR_OUTPUT"; echo "bad $TOKEN" >&2; exit 1',
          secrets: ["TOKEN"],
        });
        expect(outcome).toMatchObject({ status: "failed", result: { t: "***" } });
        expect(JSON.stringify(outcome)).not.toContain("5ecr3t");
      });

      it("that do not exist are named", async () => {
        const { outcome } = await secretly({
          command: "true",
          secrets: ["TOKEN", "ABSENT"],
          environment: { X: "${{ secrets.GONE }}" },
        });
        expect(outcome).toMatchObject({
          status: "failed",
          reason: "error",
          code: "secret_not_found",
        });
        expect(outcome).toMatchObject({ message: expect.stringMatching(/"ABSENT".*"GONE"/) });
      });
    });

    describe("stopping", () => {
      it("ends as cancelled", async () => {
        const running = attempt({ command: "echo up; sleep 30; echo never" });
        await running.logged("up\n");
        running.abort("cancel");
        const { outcome, stdout } = await running.ended;
        expect(outcome).toEqual({ status: "cancelled" });
        expect(stdout).toBe("up\n");
      });

      it("fails as timeout and states the limit", async () => {
        const running = attempt({ command: "echo up; sleep 30" });
        await running.logged("up\n");
        running.abort("timeout");
        expect((await running.ended).outcome).toMatchObject({
          status: "failed",
          reason: "timeout",
          code: "timeout",
          message: expect.stringMatching(/\d+(\.\d)? s/),
        });
      });

      it("does not start what is cancelled already", async () => {
        const running = attempt({ command: "echo ran" });
        running.abort("cancel");
        const { outcome, stdout } = await running.ended;
        expect(outcome).toEqual({ status: "cancelled" });
        expect(stdout).toBe("");
      });

      it("ends a loop that writes nothing", async () => {
        const running = attempt({ command: "echo up; while true; do :; done" });
        await running.logged("up\n");
        running.abort("cancel");
        expect((await running.ended).outcome).toEqual({ status: "cancelled" });
      });

      it.runIf(capabilities.recorder !== null)("leaves no side effect afterwards", async () => {
        const recorder = await capabilities.recorder?.();
        if (recorder === undefined) throw new Error("the executor's capabilities have no recorder");
        const network = { allow: recorder.allow };
        const running = attempt({
          command: `while true; do curl -s ${recorder.url} > /dev/null; sleep 0.02; done`,
          network,
        });
        await expect.poll(() => recorder.count(), { timeout: 30_000 }).toBeGreaterThan(3);
        running.abort("cancel");
        expect((await running.ended).outcome).toEqual({ status: "cancelled" });
        const after = await recorder.count();
        // As long as many rounds of the loop would take, and through the same recorder.
        const { outcome } = await run(`sleep 0.5; curl -sf ${recorder.url}`, { network });
        expect(outcome).toMatchObject({ status: "completed" });
        expect(await recorder.count()).toBe(after + 1);
      });
    });

    describe("isolation", () => {
      it("does not mix what runs at the same time", async () => {
        const names = ["a", "b", "c", "d"];
        const results = await Promise.all(
          names.map((name) =>
            run(
              `for i in 1 2 3; do echo "$NAME $i"; sleep 0.02; done; echo "n=$NAME" >> "$PIPELZR_OUTPUT"; echo $NAME > f`,
              {
                environment: { NAME: name },
                artifacts: ["f"],
              },
            ),
          ),
        );
        for (const [index, { stdout, outcome, artifacts }] of results.entries()) {
          const name = names[index];
          expect(stdout).toBe(`${name} 1\n${name} 2\n${name} 3\n`);
          expect(outcome).toMatchObject({ result: { n: name } });
          expect(Buffer.from(artifacts.get("f") ?? []).toString()).toBe(`${name}\n`);
        }
      });

      it("spares the others when one is cancelled", async () => {
        const kept = attempt({ command: "echo up; sleep 0.3; echo done" });
        const ended = attempt({ command: "echo up; sleep 30" });
        await Promise.all([kept.logged("up\n"), ended.logged("up\n")]);
        ended.abort("cancel");
        await ended.ended;
        const { outcome, stdout } = await kept.ended;
        expect(outcome).toMatchObject({ status: "completed" });
        expect(stdout).toBe("up\ndone\n");
      });
    });

    it.runIf(capabilities.crashing !== null)("reports a backend that goes away", async () => {
      const make = capabilities.crashing;
      if (make === null) throw new Error("the executor's capabilities have no crash");
      const { outcome } = await startAttempt(
        make,
        { task_type: capabilities.task_type, command: "echo up; sleep 5" },
        {},
      ).ended;
      expect(outcome).toMatchObject({
        status: "failed",
        reason: expect.stringMatching(/^(lost|error)$/),
      });
    });
  });
}
