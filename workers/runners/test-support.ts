/** A runner with a key of its own, for tests of the API that runners use. */
import { createExecutionContext } from "cloudflare:test";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { expect } from "vitest";
import { z } from "zod";
import { RUNNER_PATHS, signedText } from "../executors/runner/protocol.ts";
import { writeSignature } from "../executors/runner/signature.ts";
import { ScriptedRunner } from "../executors/runner/test-support.ts";
import type { isolate, Reply } from "../test/app.ts";

type Isolate = ReturnType<typeof isolate>;
const createdSchema = z.object({ id: z.string(), token: z.string(), command: z.string() });

export interface SignedInit {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  /** What the signature says of the body; its digest unless given. */
  readonly digest?: string;
  readonly headers?: Record<string, string>;
  /** Seconds that the runner's clock is ahead. */
  readonly skew?: number;
  readonly nonce?: string;
  /** What is signed instead of the path. */
  readonly signedPath?: string;
}

export function newNonce(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
}

export async function createRunner(
  { call }: Isolate,
  body: Record<string, unknown> = {},
  key?: string,
): Promise<z.output<typeof createdSchema>> {
  const reply = await call("/api/v1/runners", {
    body: { name: "builder", ...body },
    ...(key === undefined ? {} : { key }),
  });
  expect(reply.status, reply.text).toBe(201);
  expect(reply.headers.get("location")).toBe(`/api/v1/runners/${String(reply.body.id)}`);
  return createdSchema.parse(reply.body);
}

export class RegisteredRunner {
  readonly id: string;
  readonly #isolate: Isolate;
  readonly #keys: ReturnType<typeof newKeys>;

  private constructor(id: string, isolated: Isolate, keys: ReturnType<typeof newKeys>) {
    this.id = id;
    this.#isolate = isolated;
    this.#keys = keys;
  }

  /** Creates a runner and registers its key. */
  static async of(isolated: Isolate, body: Record<string, unknown> = {}) {
    const keys = newKeys();
    const { token, id } = await createRunner(isolated, body);
    const reply = await register(isolated, token, keys.public_key);
    expect(reply.status, reply.text).toBe(200);
    return new RegisteredRunner(id, isolated, keys);
  }

  authorization(path: string, init: SignedInit = {}): string {
    const { method = "GET", body = "", skew = 0, nonce = newNonce(), signedPath = path } = init;
    const timestamp = String(Math.floor(Date.now() / 1000) + skew);
    const digest = init.digest ?? createHash("sha256").update(body).digest("hex");
    const text = signedText(method, signedPath, timestamp, nonce, digest);
    const parts = { runner_id: this.id, timestamp, nonce };
    return writeSignature(parts, sign(null, Buffer.from(text), this.#keys.privateKey));
  }

  async call(path: string, init: SignedInit = {}): Promise<Reply> {
    const authorization = this.authorization(path, init);
    return this.#isolate.call(path, {
      method: init.method ?? "GET",
      headers: { authorization, ...init.headers },
      key: null,
      ...(init.body === undefined ? {} : { body: init.body }),
    });
  }

  /** The response to the WebSocket's request. */
  async open(init: SignedInit = {}): Promise<Response> {
    const path = RUNNER_PATHS.connect;
    const authorization = this.authorization(path, { digest: "-", ...init });
    const request = new Request(`https://pipelzr.test${path}`, {
      headers: { authorization, upgrade: "websocket" },
    });
    return this.#isolate.app.fetch(request, this.#isolate.env, createExecutionContext());
  }

  /** Connects through the service and is welcomed. */
  async join(hello: Parameters<ScriptedRunner["greet"]>[0] = {}): Promise<ScriptedRunner> {
    const runner = ScriptedRunner.of(await this.open());
    await runner.greet(hello);
    return runner;
  }
}

export function newKeys() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { privateKey, public_key: publicKey.export({ format: "jwk" }).x ?? "" };
}

export function register({ call }: Isolate, token: string, public_key: string): Promise<Reply> {
  return call(RUNNER_PATHS.register, { body: { token, public_key, name: "host-1" }, key: null });
}
