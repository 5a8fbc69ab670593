/** The contract of executors, on containers of the fake engine. */
import { afterAll } from "vitest";
import { describeExecutorContract } from "../../../../workers/executors/contract.ts";
import { startRecorder } from "../../test/recorder.ts";
import { makeBackend, removeState } from "./test-support.ts";

const recorder = startRecorder();

afterAll(() => {
  recorder.close();
  removeState();
});

const backend = makeBackend();
const dying = makeBackend({ killEngine: { at: "output" } });

describeExecutorContract("dagger", (deps) => backend.executor(deps), {
  task_type: "dagger",
  fileModes: true,
  byteNames: true,
  recorder: recorder.make,
  crashing: (deps) => dying.executor(deps),
});
