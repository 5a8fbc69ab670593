/** The service's HTTP API, as a runner calls it. */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { RUNNER_PATHS } from "../../../workers/executors/runner/protocol.ts";
import type { Dispatched } from "./agent.ts";
import { backoffMs } from "./backoff.ts";
import {
  ConnectError,
  causeOf,
  connectErrorOf,
  FatalError,
  FencedError,
  problemOf,
  strangerRefused,
} from "./errors.ts";
import type { Signer } from "./identity.ts";

const registeredSchema = z.object({ runner_id: z.string(), pool: z.string() });
export type Registered = z.output<typeof registeredSchema>;

const RETRY = { firstMs: 200, maxMs: 5_000 };

/** An address below the service's, which may itself have a path. */
export function serviceAddress(url: string, path: string): string {
  return `${url.replace(/\/+$/, "")}${path}`;
}

/** Registers a key; rejects with ConnectError when no service answers, else with FatalError. */
export async function register(
  url: string,
  body: { readonly token: string; readonly public_key: string; readonly name: string },
): Promise<Registered> {
  const address = serviceAddress(url, RUNNER_PATHS.register);
  let response: Response;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch (error) {
    throw new ConnectError("unreachable", causeOf(error));
  }
  const text = await response.text();
  if (response.ok) {
    const parsed = registeredSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new FatalError(`${address} is no PIPELZR service. Check --url.`);
  }
  if (response.status >= 500 || response.status === 429) {
    throw new ConnectError("unreachable", problemOf(response.status, text).message);
  }
  if (response.status === 404) {
    throw new FatalError(
      `${url} has no runner API (it answered 404). Check --url, and that the service is new enough.`,
    );
  }
  const { code, message } = problemOf(response.status, text);
  const why = code === null ? strangerRefused(response.status) : message;
  throw new FatalError(
    `The service at ${url} did not register this runner: ${why} A token works once, for a limited time, and at the service that made it: check --url, and start again with a new --token.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export class ServiceClient {
  readonly #url: string;
  readonly #signer: Signer;

  constructor(url: string, signer: Signer) {
    this.#url = url;
    this.#signer = signer;
  }

  /** Posts JSON; rejects with ConnectError. */
  async post(path: string, body: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.#request("POST", path, body, signal);
    const text = await response.text().catch((error: unknown) => {
      throw new ConnectError("unreachable", causeOf(error));
    });
    if (response.ok) return parseJson(text);
    throw connectErrorOf(response.status, text);
  }

  /** A blob of a dispatch's files; null when there is none. Rejects with FencedError. */
  async blob(
    dispatched: Dispatched,
    key: string,
    signal: AbortSignal,
  ): Promise<ArrayBuffer | null> {
    return this.#persistently(signal, async () => {
      const response = await this.#blob(dispatched, key, signal);
      return response === null ? null : response.arrayBuffer();
    });
  }

  /**
   * As `blob`, to be read as it comes: what breaks off then is not begun again by itself.
   */
  async openBlob(
    dispatched: Dispatched,
    key: string,
    signal: AbortSignal,
  ): Promise<Response | null> {
    return this.#persistently(signal, () => this.#blob(dispatched, key, signal));
  }

  async #blob(
    { attempt, epoch }: Dispatched,
    key: string,
    signal: AbortSignal,
  ): Promise<Response | null> {
    const query = queryOf({ attempt, epoch, key });
    const response = await this.#request("GET", RUNNER_PATHS.blobs + query, "", signal);
    if (response.status === 404) return null;
    await expectSuccess(response);
    return response;
  }

  /** Keeps a file of a dispatch. Rejects with FencedError, or with what the service says. */
  async artifact(
    dispatched: Dispatched,
    path: string,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { attempt, epoch } = dispatched;
    // The digest lets the service store a large file without keeping it first.
    const sha256 = createHash("sha256").update(body).digest("hex");
    await this.#persistently(signal, async () => {
      const query = queryOf({ attempt, epoch, path, sha256 });
      const response = await this.#request("PUT", RUNNER_PATHS.artifacts + query, body, signal);
      await expectSuccess(response);
      await response.body?.cancel();
    });
  }

  async #request(
    method: "GET" | "POST" | "PUT",
    path: string,
    body: string | Uint8Array,
    signal: AbortSignal,
  ): Promise<Response> {
    // The service takes the bytes of a file as they come, and so before it knows their digest.
    const signed = typeof body === "string" ? body : null;
    const type = typeof body === "string" ? "application/json" : "application/octet-stream";
    try {
      return await fetch(serviceAddress(this.#url, path), {
        method,
        headers: {
          authorization: this.#signer.authorization(method, path, signed),
          ...(method === "GET" ? {} : { "content-type": type }),
        },
        ...(method === "GET" ? {} : { body }),
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new ConnectError("unreachable", causeOf(error));
    }
  }

  /** Tries again while the service cannot be reached; the attempt's deadline ends it. */
  async #persistently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ConnectError && error.kind === "unreachable")) throw error;
        await delay(backoffMs(tries, RETRY, Math.random()), undefined, { signal });
      }
    }
  }
}

function queryOf(values: Readonly<Record<string, string | number>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) query.set(name, String(value));
  return `?${query}`;
}

async function expectSuccess(response: Response): Promise<void> {
  if (response.ok) return;
  const text = await response.text();
  if (response.status === 409) throw new FencedError();
  throw connectErrorOf(response.status, text);
}
