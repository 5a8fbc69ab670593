/** Measures how long the runtime takes to load the built Worker: parse it and run its top level. */
import { Miniflare } from "miniflare";
import { type Descriptor, MAIN_MODULE, type Modules } from "./bundle.ts";

/** Loads the modules it is given as a new Worker, with nothing cached, and asks it one question. */
const LOADING_WORKER = `
export default {
  async fetch(request, env) {
    const code = new URL(request.url).pathname === "/built" ? env.BUILT : env.EMPTY;
    const modules = { ...code.modules };
    for (const name of code.binaries ?? []) modules[name] = { data: new ArrayBuffer(1) };
    const { binaries, ...definition } = code;
    const worker = env.LOADER.load({ ...definition, modules, globalOutbound: null });
    const response = await worker.getEntrypoint().fetch("http://worker/health").catch(() => null);
    return new Response(null, { status: response ? 204 : 500 });
  },
};
`;
const EMPTY = { [MAIN_MODULE]: "export default { fetch: () => new Response() }" };
const ROUNDS = 9;

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Names of binary modules: they are imported, and nothing of them is executed at the start. */
function binariesOf(modules: Modules): string[] {
  return Object.entries(modules).flatMap(([name, { contents }]) =>
    typeof contents === "string" ? [] : [name],
  );
}

/** Contents in the form of the Worker Loader, without the binary ones. */
function loadable(modules: Modules): Record<string, string | { text: string }> {
  const code: Record<string, string | { text: string }> = {};
  for (const [name, { type, contents }] of Object.entries(modules)) {
    if (typeof contents !== "string") continue;
    code[name] = type === "esm" ? contents : { text: contents };
  }
  return code;
}

/** Milliseconds that the built Worker takes to load, above those of an empty one; a median. */
export async function measureStartup(descriptor: Descriptor, modules: Modules): Promise<number> {
  const { compatibilityDate } = descriptor.config;
  const code = { compatibilityDate, mainModule: MAIN_MODULE };
  const runtime = new Miniflare({
    cf: false,
    enableDevRegistry: false,
    workers: [
      {
        config: {
          name: "startup",
          compatibilityDate,
          env: {
            LOADER: { type: "worker-loader" },
            BUILT: {
              type: "json",
              value: { ...code, modules: loadable(modules), binaries: binariesOf(modules) },
            },
            EMPTY: { type: "json", value: { ...code, modules: EMPTY } },
          },
          manifest: {
            mainModule: MAIN_MODULE,
            modulesRoot: "/",
            modules: { [MAIN_MODULE]: { type: "esm", contents: LOADING_WORKER } },
          },
        },
      },
    ],
  });
  try {
    const time = async (path: string): Promise<number> => {
      const began = performance.now();
      const { status } = await runtime.dispatchFetch(`http://startup${path}`);
      if (status !== 204) throw new Error("The built Worker does not load.");
      return performance.now() - began;
    };
    const built: number[] = [];
    const empty: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      built.push(await time("/built"));
      empty.push(await time("/empty"));
    }
    return Math.max(0, median(built) - median(empty));
  } finally {
    await runtime.dispose();
  }
}
