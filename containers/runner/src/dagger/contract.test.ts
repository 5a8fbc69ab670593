/** The contract of executors, on containers of the fake engine. */
import { createServer } from "node:http";
import { afterAll } from "vitest";
import { describeExecutorContract, type Recorder } from "../../../../workers/executors/contract.ts";
import { makeBackend, removeState } from "./test-support.ts";

const counts = new Map<string, number>();
const server = createServer((request, response) => {
  const path = request.url ?? "/";
  counts.set(path, (counts.get(path) ?? 0) + 1);
  response.end("recorded");
});
server.listen(0, "127.0.0.1");

afterAll(() => {
  server.close();
  removeState();
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

const backend = makeBackend();
const dying = makeBackend({ killEngine: { at: "output" } });

describeExecutorContract("dagger", (deps) => backend.executor(deps), {
  task_type: "dagger",
  fileModes: true,
  recorder: makeRecorder,
  crashing: (deps) => dying.executor(deps),
});
