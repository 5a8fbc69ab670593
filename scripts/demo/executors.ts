/** Everything beside the service that runs code for it in the demo: fakes that run real processes. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startFakeE2B } from "../../containers/fakes/e2b/server.ts";
import type { Variables } from "../lib/dev-vars.ts";
import { LocalRunner } from "../lib/local-runner.ts";
import { rootPath } from "../lib/paths.ts";

export interface Executors {
  /** What the service has to be told. */
  readonly variables: Variables;
  /** Starts the runner, once the service is there. */
  attach(url: string, key: string): Promise<void>;
  stop(): Promise<void>;
}

export const LOCAL_ONLY: Executors = {
  variables: {},
  attach: async () => {},
  stop: async () => {},
};

/** `data` is the demo's folder; `onOutput` hears what the runner prints. */
export async function allExecutors(
  data: string,
  onOutput: (text: string) => void,
): Promise<Executors> {
  const sandboxes = await startFakeE2B();
  const folder = join(data, "runner");
  await mkdir(folder, { recursive: true });
  let runner: LocalRunner | null = null;
  return {
    variables: {
      SUBPROCESS_ENABLED: "true",
      DAGGER_ENABLED: "true",
      E2B_ENABLED: "true",
      E2B_API_KEY: sandboxes.apiKey,
      E2B_API_URL: sandboxes.apiUrl,
      E2B_SANDBOX_URL: sandboxes.apiUrl,
    },
    async attach(url, key) {
      const cli = rootPath("containers/fakes/dagger/bin/dagger");
      const flags = ["--allow-subprocess", "--dagger-cli", cli];
      runner = new LocalRunner({ url, key, folder, flags, onOutput });
      await runner.start();
    },
    async stop() {
      await runner?.stop();
      await sandboxes.stop();
    },
  };
}
