/** Git's own server on loopback, over smart HTTP, and repositories that git itself makes. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/** Whether this machine's git can serve. */
export const hasHttpBackend =
  spawnSync("git", ["http-backend"], { env: process.env }).stdout?.includes("Status:") ?? false;

const IDENTITY = {
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.com",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.com",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
};

/** Contents by path. */
export type TestFiles = Readonly<Record<string, string | Uint8Array>>;

export function writeFiles(folder: string, files: TestFiles): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** A repository with a work tree, in the folder that is served. */
export class TestRepository {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.git("init", "--quiet", "--initial-branch=main");
    this.git("config", "uploadpack.allowAnySHA1InWant", "true");
    this.git("config", "core.compression", "1");
  }

  /** Returns what git prints, without its last line break. */
  git(...words: readonly string[]): string {
    const env = { ...process.env, HOME: this.folder, ...IDENTITY };
    const options = { cwd: this.folder, env, encoding: "utf8", maxBuffer: 1 << 28 } as const;
    return execFileSync("git", words, options).replace(/\n$/, "");
  }

  /** Makes a commit of all that is in the work tree; returns its OID. */
  commit(message: string): string {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", "--message", message);
    return this.git("rev-parse", "HEAD");
  }

  tree(revision = "HEAD"): string {
    return this.git("rev-parse", `${revision}^{tree}`);
  }
}

/** A request as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
}

/** Answers a request itself; false leaves it to git. */
export type Interception = (request: IncomingMessage, response: ServerResponse) => boolean;

export class GitServer {
  /** `host:port`. */
  readonly host: string;
  readonly requests: SeenRequest[] = [];
  intercept: Interception = () => false;
  readonly #folder: string;
  readonly #server: Server;

  private constructor(server: Server, folder: string, port: number) {
    this.#server = server;
    this.#folder = folder;
    this.host = `127.0.0.1:${port}`;
    server.on("request", (request, response) => {
      this.requests.push({
        method: request.method ?? "",
        path: request.url ?? "",
        authorization: request.headers.authorization ?? null,
      });
      if (this.intercept(request, response)) return;
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<GitServer> {
    const folder = mkdtempSync(join(tmpdir(), "pipelzr-git-"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("No port was given.");
    return new GitServer(server, folder, address.port);
  }

  repository(name: string): TestRepository {
    return new TestRepository(join(this.#folder, name));
  }

  url(name: string): string {
    return `http://${this.host}/${name}/.git`;
  }

  /** Requests since the last call that fetched contents. */
  takeFetches(): number {
    const seen = this.requests.splice(0);
    return seen.filter(({ method }) => method === "POST").length;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Runs git's CGI program. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? "/", `http://${this.host}`);
    const child = spawn("git", ["http-backend"], {
      env: {
        ...process.env,
        ...IDENTITY,
        GIT_PROJECT_ROOT: this.#folder,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers["content-type"],
        CONTENT_LENGTH: request.headers["content-length"],
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"],
      },
      stdio: ["pipe", "pipe", "ignore"],
      cwd: dirname(this.#folder),
    });
    // A client that goes away, or git that does not read its request to the end, is no failure here.
    const sent = pipeline(request, child.stdin).catch(() => undefined);
    response.on("close", () => child.kill());
    let head = Buffer.alloc(0);
    let isBody = false;
    for await (const piece of child.stdout) {
      if (isBody) {
        response.write(piece);
        continue;
      }
      head = Buffer.concat([head, piece]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      isBody = true;
      let status = 200;
      const headers: Record<string, string> = {};
      for (const line of head.toString("latin1", 0, end).split("\r\n")) {
        const colon = line.indexOf(":");
        const name = line.slice(0, colon);
        const value = line.slice(colon + 1).trim();
        if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
        else headers[name] = value;
      }
      response.writeHead(status, headers);
      response.write(head.subarray(end + 4));
    }
    await sent;
    response.end();
  }
}
