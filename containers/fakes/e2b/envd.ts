/** The way into sandboxes: the proxy that finds one by its headers or host, and its envd. */

import { answerFiles } from "./envd-files.ts";
import { answerFilesystemCall } from "./envd-filesystem.ts";
import { answerProcessCall } from "./envd-process.ts";
import { type Exchange, HttpError } from "./exchange.ts";
import type { Faults } from "./faults.ts";
import type { Sandbox } from "./sandbox.ts";
import { DEFAULT_USER, HOMES } from "./sandbox-paths.ts";
import type { Sandboxes } from "./sandboxes.ts";

export const ENVD_PORT = 49_983;
const SANDBOX_ID = /^[a-z0-9]+$/;

interface Target {
  readonly id: string;
  readonly port: string;
}

/** The sandbox and port that a request is for; null when it is for the control plane. */
export function targetOf(exchange: Exchange): Target | null {
  const [id, port] = [exchange.header("e2b-sandbox-id"), exchange.header("e2b-sandbox-port")];
  if (id !== undefined || port !== undefined) return { id: id ?? "", port: port ?? "" };
  const host = /^(\d+)-([^.-]+)\./.exec(exchange.header("host") ?? "");
  return host ? { id: host[2] ?? "", port: host[1] ?? "" } : null;
}

/** The user that Basic credentials name; envd has no passwords. */
function userOf(exchange: Exchange): string {
  const [scheme, credentials = ""] = (exchange.header("authorization") ?? "").split(" ");
  if (scheme?.toLowerCase() !== "basic") return DEFAULT_USER;
  const user = Buffer.from(credentials, "base64").toString("utf8").split(":")[0] ?? "";
  if (HOMES[user] === undefined) throw new HttpError(401, `there is no user '${user}'`);
  return user;
}

export class Envd {
  readonly #sandboxes: Sandboxes;
  readonly #faults: Faults;
  readonly #resumeMs: number;

  constructor(sandboxes: Sandboxes, faults: Faults, resumeSeconds: number) {
    this.#sandboxes = sandboxes;
    this.#faults = faults;
    this.#resumeMs = resumeSeconds * 1_000;
  }

  async handle(exchange: Exchange, { id, port }: Target): Promise<void> {
    const { response } = exchange;
    if (!SANDBOX_ID.test(id)) {
      response.writeHead(400).end("the sandbox id is missing or malformed\n");
      return;
    }
    if (!/^\d+$/.test(port)) {
      response.writeHead(400).end("the sandbox port is missing or malformed\n");
      return;
    }
    const sandbox = this.#sandboxes.get(id);
    if (sandbox?.resumesByTraffic) await sandbox.resume(this.#resumeMs, true);
    if (sandbox?.state !== "running") {
      return exchange.json(502, { sandboxId: id, message: "the sandbox is not there", code: 502 });
    }
    if (Number(port) !== ENVD_PORT) {
      const message = "nothing listens at the port";
      return exchange.json(502, { sandboxId: id, message, port: Number(port), code: 502 });
    }
    const release = sandbox.addConnection(() => exchange.drop());
    response.once("close", release);
    await this.#answer(exchange, sandbox);
  }

  async #answer(exchange: Exchange, sandbox: Sandbox): Promise<void> {
    const { pathname } = exchange.url;
    if (pathname === "/health" && exchange.method === "GET") return exchange.empty(204);
    if (pathname === "/files" && ["GET", "POST"].includes(exchange.method)) {
      return answerFiles(exchange, sandbox, this.#faults);
    }
    const { accessToken } = sandbox;
    if (accessToken !== null && exchange.header("x-access-token") !== accessToken) {
      throw new HttpError(401, "the access token is missing or not this sandbox's");
    }
    if (pathname === "/envs" && exchange.method === "GET") {
      return exchange.json(200, sandbox.spec.envVars);
    }
    const user = userOf(exchange);
    const [, service, method = ""] = pathname.split("/");
    const answered =
      (service === "process.Process" &&
        (await answerProcessCall(method, exchange, sandbox, user, this.#faults))) ||
      (service === "filesystem.Filesystem" &&
        (await answerFilesystemCall(method, exchange, sandbox, user)));
    if (!answered) throw new HttpError(404, `envd has no ${pathname}`);
  }
}
