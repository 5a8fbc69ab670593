/** The contract of executors, on processes: without a sandbox, and in one where it can be had. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeExecutorContract, type Recorder } from "../../../../workers/executors/contract.ts";
import { createSubprocessBackend } from "./backend.ts";
import { chooseIsolation, type Isolation } from "./isolation.ts";

const stateFolder = mkdtempSync(join(tmpdir(), "pipelzr-contract-"));
const attempts = join(stateFolder, "attempts");
const counts = new Map<string, number>();
const server = createServer((request, response) => {
  const path = request.url ?? "/";
  counts.set(path, (counts.get(path) ?? 0) + 1);
  response.end("recorded");
});
server.listen(0, "127.0.0.1");

afterAll(() => {
  server.close();
  rmSync(stateFolder, { recursive: true, force: true });
});

async function makeRecorder(): Promise<Recorder> {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the recorder has no port");
  const path = `/${crypto.randomUUID()}`;
  return {
    allow: ["127.0.0.1"],
    url: `http://127.0.0.1:${address.port}${path}`,
    count: async () => counts.get(path) ?? 0,
  };
}

function describeContract(name: string, isolation: Isolation): void {
  const options = { stateFolder, attempts, isolation, warn: console.warn };
  const backend = createSubprocessBackend(options);
  const broken = createSubprocessBackend({ ...options, bash: "/nonexistent/bash" });
  describeExecutorContract(name, (deps) => backend.executor(deps), {
    task_type: "subprocess",
    fileModes: true,
    recorder: makeRecorder,
    crashing: (deps) => broken.executor(deps),
  });
}

describeContract("subprocess", { kind: "none", why: "the test says so" });
const sandbox = await chooseIsolation("auto", process.env.PIPELZR_RUNNER_BWRAP ?? null);
if (sandbox.kind === "bubblewrap") describeContract("subprocess in a sandbox", sandbox);
