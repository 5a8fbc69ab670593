import { env } from "cloudflare:workers";
import { describeExecutorContract } from "../contract.ts";
import { makeLocalExecutor, makeRecorder } from "./test-support.ts";

/** A child that dies in the middle of its answer. */
const crashing: WorkerLoaderWorkerCode = {
  compatibilityDate: "2026-11-01",
  mainModule: "main.js",
  modules: {
    "main.js": `export default { fetch() {
      let sent = false;
      return new Response(new ReadableStream({ pull(controller) {
        if (sent) throw new Error("isolate gone");
        sent = true;
        controller.enqueue(new TextEncoder().encode('["stdout","up\\\\n"]\\n'));
      } }));
    } };`,
  },
  env: {},
  globalOutbound: null,
};

const crashingLoader: WorkerLoader = {
  get: () => env.LOADER.load(crashing),
  load: () => env.LOADER.load(crashing),
};

describeExecutorContract("local", makeLocalExecutor, {
  task_type: "local",
  fileModes: true,
  byteNames: false,
  recorder: makeRecorder,
  crashing: (deps) => makeLocalExecutor(deps, { loader: crashingLoader }),
});
