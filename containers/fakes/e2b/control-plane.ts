/** The control plane's REST interface: what happens to sandboxes as a whole. */
import { z } from "zod";
import { type Exchange, HttpError } from "./exchange.ts";
import type { Faults } from "./faults.ts";
import type { Sandbox, SandboxSpec } from "./sandbox.ts";
import { describeDetail, describeHandle } from "./sandbox-descriptions.ts";
import { listRunning, listSandboxes } from "./sandbox-list.ts";
import type { Sandboxes } from "./sandboxes.ts";

export interface ControlPlaneOptions {
  readonly apiKey: string;
  /** Templates that exist; null for any. */
  readonly templates: readonly string[] | null;
  readonly maxTimeoutSeconds: number;
}

/** What the service gives a sandbox for which no time is asked. */
const DEFAULT_TIMEOUT_SECONDS = 15;
const DEFAULT_CONNECT_TIMEOUT_SECONDS = 300;

const seconds = z.int().min(0);
const texts = z.record(z.string(), z.string());
const createSchema = z.object({
  templateID: z.string().min(1),
  timeout: seconds.default(DEFAULT_TIMEOUT_SECONDS),
  metadata: texts.default({}),
  envVars: texts.default({}),
  secure: z.boolean().default(false),
  autoPause: z.boolean().default(false),
  autoPauseMemory: z.boolean().default(true),
  autoResume: z.object({ enabled: z.boolean().default(false) }).default({ enabled: false }),
});
const connectSchema = z.object({
  timeout: seconds.default(DEFAULT_CONNECT_TIMEOUT_SECONDS),
  memory: z.boolean().default(true),
});
const legacyConnectSchema = connectSchema.extend({ timeout: seconds });
const resumeSchema = connectSchema.extend({ timeout: seconds.default(DEFAULT_TIMEOUT_SECONDS) });
const timeoutSchema = z.object({ timeout: z.int() });
const pauseSchema = z.object({ memory: z.boolean().default(true) });

type Handler = (exchange: Exchange, id: string) => Promise<void> | void;
type ConnectBody = z.output<typeof connectSchema>;

export class ControlPlane {
  readonly #sandboxes: Sandboxes;
  readonly #faults: Faults;
  readonly #options: ControlPlaneOptions;
  readonly #routes: readonly (readonly [method: string, path: RegExp, handler: Handler])[];
  /** Creates that reached it, whatever came of them. */
  createRequests = 0;

  constructor(sandboxes: Sandboxes, faults: Faults, options: ControlPlaneOptions) {
    this.#sandboxes = sandboxes;
    this.#faults = faults;
    this.#options = options;
    const all = (path: string) => new RegExp(`^${path}$`);
    const one = (path = "") => all(`/sandboxes/([^/]+)${path}`);
    const connect = (schema: z.ZodType<ConnectBody>): Handler => {
      return async (exchange, id) => this.#connect(exchange, id, await exchange.body(schema));
    };
    this.#routes = [
      ["POST", all("/v2/sandboxes"), (exchange) => this.#create(exchange, true)],
      ["POST", all("/sandboxes"), (exchange) => this.#create(exchange, false)],
      ["GET", all("/v2/sandboxes"), (exchange) => listSandboxes(exchange, sandboxes.all())],
      ["GET", all("/sandboxes"), (exchange) => listRunning(exchange, sandboxes.all())],
      ["POST", all("/v2/sandboxes/([^/]+)/connect"), connect(connectSchema)],
      ["POST", one("/connect"), connect(legacyConnectSchema)],
      ["POST", one("/resume"), (exchange, id) => this.#resume(exchange, id)],
      ["POST", one("/timeout"), (exchange, id) => this.#timeout(exchange, id)],
      ["POST", one("/pause"), (exchange, id) => this.#pause(exchange, id)],
      ["GET", one(), (exchange, id) => exchange.json(200, describeDetail(this.#find(id)))],
      ["DELETE", one(), (exchange, id) => this.#kill(exchange, id)],
    ];
  }

  async handle(exchange: Exchange): Promise<void> {
    const key = exchange.header("x-api-key");
    if (key === undefined) throw new HttpError(401, "the X-API-KEY header is missing");
    if (key !== this.#options.apiKey) throw new HttpError(401, "no team has this API key");
    for (const [method, path, handler] of this.#routes) {
      const match = method === exchange.method ? path.exec(exchange.url.pathname) : null;
      if (match) return handler(exchange, decodeURIComponent(match[1] ?? ""));
    }
    throw new HttpError(404, `there is no ${exchange.method} ${exchange.url.pathname}`);
  }

  #find(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox) return sandbox;
    throw new HttpError(404, `sandbox "${id}" does not exist, or is another team's`);
  }

  #assertTimeout(timeoutSeconds: number): void {
    const { maxTimeoutSeconds } = this.#options;
    if (timeoutSeconds <= maxTimeoutSeconds) return;
    throw new HttpError(400, `the timeout is above ${maxTimeoutSeconds / 3_600} hours`);
  }

  async #create(exchange: Exchange, alwaysSecure: boolean): Promise<void> {
    this.createRequests += 1;
    const fault = this.#faults.takeCreate();
    if (fault?.kind === "refuse") {
      const after = fault.retryAfterSeconds;
      const headers = after === null ? {} : { "retry-after": String(after) };
      throw new HttpError(fault.status, "refused by an injected fault", headers);
    }
    const body = await exchange.body(createSchema);
    this.#assertTimeout(body.timeout);
    if (this.#options.templates?.includes(body.templateID) === false) {
      throw new HttpError(404, `template '${body.templateID}' does not exist`);
    }
    if (body.autoResume.enabled && !body.autoPauseMemory) {
      throw new HttpError(400, "autoResume needs a pause that keeps memory");
    }
    const pause = body.autoPauseMemory ? "pause" : "pause_without_memory";
    const spec: SandboxSpec = {
      template: body.templateID,
      metadata: body.metadata,
      envVars: body.envVars,
      timeoutMs: body.timeout * 1_000,
      secure: alwaysSecure || body.secure,
      onTimeout: body.autoPause ? pause : "kill",
      autoResume: body.autoResume.enabled,
    };
    await this.#faults.createHeld();
    const admission = await this.#sandboxes.create(spec);
    if (admission.kind === "rate") {
      const after = String(admission.retryAfterSeconds);
      throw new HttpError(429, "rate limit exceeded", { "retry-after": after });
    }
    if (admission.kind === "concurrency") {
      const { maxConcurrent } = this.#sandboxes.limits;
      throw new HttpError(429, `the limit of ${maxConcurrent} concurrent sandboxes is reached`);
    }
    if (fault?.kind === "lose_reply") exchange.drop();
    else exchange.json(201, describeHandle(admission.sandbox));
  }

  async #connect(exchange: Exchange, id: string, body: ConnectBody): Promise<void> {
    this.#assertTimeout(body.timeout);
    const sandbox = this.#find(id);
    const paused = sandbox.state === "paused";
    if (paused) await sandbox.resume(body.timeout * 1_000, body.memory);
    else sandbox.extendTimeout(body.timeout * 1_000);
    exchange.json(paused ? 201 : 200, describeHandle(sandbox));
  }

  async #resume(exchange: Exchange, id: string): Promise<void> {
    const { timeout, memory } = await exchange.body(resumeSchema);
    this.#assertTimeout(timeout);
    const sandbox = this.#find(id);
    if (sandbox.state === "running") throw new HttpError(409, `sandbox "${id}" is running`);
    await sandbox.resume(timeout * 1_000, memory);
    exchange.json(201, describeHandle(sandbox));
  }

  async #timeout(exchange: Exchange, id: string): Promise<void> {
    const { timeout } = await exchange.body(timeoutSchema);
    const sandbox = this.#find(id);
    if (sandbox.state === "paused") throw new HttpError(404, `sandbox "${id}" is not running`);
    const allowed = Math.min(Math.max(0, timeout), this.#options.maxTimeoutSeconds);
    sandbox.setTimeout(allowed * 1_000);
    exchange.empty(204);
  }

  async #pause(exchange: Exchange, id: string): Promise<void> {
    const { memory } = await exchange.body(pauseSchema);
    const sandbox = this.#find(id);
    if (sandbox.state === "paused") throw new HttpError(409, `sandbox "${id}" is paused already`);
    await sandbox.pause(memory);
    exchange.empty(204);
  }

  async #kill(exchange: Exchange, id: string): Promise<void> {
    if (!(await this.#sandboxes.kill(id))) this.#find(id);
    exchange.empty(204);
  }
}
