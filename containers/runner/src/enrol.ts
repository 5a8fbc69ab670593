/** Finds out who this runner is, and registers it at its first start. */
import { setTimeout as delay } from "node:timers/promises";
import { backoffMs } from "./backoff.ts";
import type { Settings } from "./cli.ts";
import { ConnectError, FatalError } from "./errors.ts";
import { newPrivateKey, publicKeyOf, readIdentity, saveIdentity } from "./identity.ts";
import { type Registered, register } from "./service.ts";

const BACKOFF = { firstMs: 250, maxMs: 20_000 };

export interface Enrolled {
  readonly url: string;
  readonly runnerId: string;
  readonly privateKey: string;
  /** To be called once the service at the address has let this runner in: a mistyped one is not kept. */
  readonly confirm: () => void;
}

/** Secrets, and the token before them, can be read on the way to other machines. */
function warnOfPlainHttp(url: string, say: (line: string) => void): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return;
  say(`${url} is not encrypted: the token and secrets of tasks can be read on the way. Use https`);
}

/** Throws FatalError when it is neither registered nor can be. */
export async function enrol(
  { url: wanted, token, name }: Settings,
  path: string,
  say: (line: string) => void,
): Promise<Enrolled> {
  const saved = readIdentity(path);
  const url = wanted ?? saved?.url ?? null;
  if (url === null) throw new FatalError("Say with --url where the PIPELZR service is.");
  warnOfPlainHttp(url, say);
  if (saved !== null && saved.runner_id !== null) {
    const confirm = () => {
      if (saved.url !== url) saveIdentity(path, { ...saved, url });
    };
    return { url, runnerId: saved.runner_id, privateKey: saved.private_key, confirm };
  }
  if (token === null) {
    throw new FatalError(
      `This machine is not registered with ${url} yet. Make a token there and start once with it in PIPELZR_RUNNER_TOKEN, or with --token.`,
    );
  }
  // Kept before it is registered: a token whose answer gets lost works again for the same key.
  const private_key = saved?.private_key ?? newPrivateKey();
  saveIdentity(path, { private_key, runner_id: null, pool: null, url: saved?.url ?? null });
  const body = { token, public_key: publicKeyOf(private_key), name };
  const { runner_id, pool } = await registerPersistently(url, body, say);
  saveIdentity(path, { private_key, runner_id, pool, url });
  say(`registered as runner ${runner_id} of pool ${pool}; the token is used up`);
  return { url, runnerId: runner_id, privateKey: private_key, confirm: () => undefined };
}

async function registerPersistently(
  url: string,
  body: Parameters<typeof register>[1],
  say: (line: string) => void,
): Promise<Registered> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await register(url, body);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (tries === 1) {
        say(
          `the service at ${url} cannot be reached: ${error.message}; trying again until it works`,
        );
      }
    }
    await delay(backoffMs(tries, BACKOFF, Math.random()));
  }
}
