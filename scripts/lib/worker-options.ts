/** What wrangler.toml says of the Worker, in Miniflare's terms. */
import { devNull } from "node:os";
import { join } from "node:path";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";

/**
 * Wrangler looks for variables in this file instead of `.dev.vars` and `.env`; its types do not say
 * so. No such file can exist, and it passes over what does not.
 */
const READING = { overrides: {}, envFiles: [join(devNull, "none")] };

/**
 * Reads a wrangler.toml without the variables and secrets of the machine that reads it: neither
 * `.dev.vars` nor `.env` beside it has a say in a build or in a test.
 */
export function readWorkerOptions(configPath: string) {
  const config = unstable_readConfig({ config: configPath });
  const { workerOptions, main } = unstable_getMiniflareWorkerOptions(config, undefined, READING);
  // Variables of this process may be among them; those of wrangler.toml can be read from there.
  const { bindings: _, ...options } = workerOptions;
  return { options, main };
}
