import { env } from "cloudflare:workers";
import { describeExecutorContract, type Recorder } from "../contract.ts";
import type { ContractDeps } from "../contract-support.ts";
import type { Executor } from "../port.ts";
import { createLocalExecutor } from "./executor.ts";

let recorders = 0;

function makeRecorder(): Recorder {
  recorders += 1;
  const path = `/recorder-${recorders}`;
  return {
    allow: ["recorder.test"],
    url: `http://recorder.test${path}`,
    count: async () => {
      const response = await env.RECORDER.fetch(`http://recorder.test/count${path}`);
      return Number(await response.text());
    },
  };
}

const make = (deps: ContractDeps, loader: WorkerLoader = env.LOADER): Executor =>
  createLocalExecutor({ ...deps, loader, cpuMs: 30_000, egress: () => env.RECORDER });

/** A loader whose children die in the middle of their answer. */
const crashingLoader: WorkerLoader = {
  get: (_name, _code) => env.LOADER.load(crashing),
  load: (_code) => env.LOADER.load(crashing),
};
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

describeExecutorContract("local", make, {
  task_type: "local",
  fileModes: true,
  recorder: async () => makeRecorder(),
  crashing: (deps) => make(deps, crashingLoader),
});
