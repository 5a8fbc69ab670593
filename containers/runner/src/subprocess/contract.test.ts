/** The contract of executors, on processes: without a sandbox, and in one where it can be had. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeExecutorContract } from "../../../../workers/executors/contract.ts";
import { startRecorder } from "../../test/recorder.ts";
import { createSubprocessBackend } from "./backend.ts";
import { chooseIsolation, type Isolation } from "./isolation.ts";

const stateFolder = mkdtempSync(join(tmpdir(), "pipelzr-contract-"));
const attempts = join(stateFolder, "attempts");
const recorder = startRecorder();

afterAll(() => {
  recorder.close();
  rmSync(stateFolder, { recursive: true, force: true });
});

function describeContract(name: string, isolation: Isolation): void {
  const options = { stateFolder, attempts, isolation, warn: console.warn };
  const backend = createSubprocessBackend(options);
  const broken = createSubprocessBackend({ ...options, bash: "/nonexistent/bash" });
  describeExecutorContract(name, (deps) => backend.executor(deps), {
    task_type: "subprocess",
    fileModes: true,
    byteNames: true,
    recorder: recorder.make,
    crashing: (deps) => broken.executor(deps),
  });
}

describeContract("subprocess", { kind: "none", why: "the test says so" });
const sandbox = await chooseIsolation("auto", process.env.PIPELZR_RUNNER_BWRAP ?? null);
if (sandbox.kind === "bubblewrap") describeContract("subprocess in a sandbox", sandbox);
