/**
 * Sandboxes at E2B by its SDK: the control plane and files. Processes go through `connect.ts`.
 * Everything is passed as options, so that no variable of the process has a say.
 */
import {
  AuthenticationError,
  FileNotFoundError,
  InvalidArgumentError,
  NotEnoughSpaceError,
  NotFoundError,
  RateLimitError,
  SandboxError,
  Sandbox as SdkSandbox,
  ServiceBusyError,
  TemplateError,
  TimeoutError,
} from "e2b";
import { messageOf } from "../message.ts";
import { type EnvdAddress, startProcess } from "./connect.ts";
import { KEY_REFUSED } from "./failures.ts";
import { networkOptions } from "./network.ts";
import {
  CREATE_LIMIT_MS,
  CreateRefused,
  CreateRejected,
  DiskFull,
  type ListedSandbox,
  type NewSandbox,
  type Sandbox,
  type SandboxLabels,
  type SandboxService,
  SandboxUnreachable,
  type TakeOutput,
  type Upload,
} from "./sandbox.ts";

export interface E2BAccess {
  readonly apiKey: string;
  /** Null for E2B's own cloud, here and below. */
  readonly apiUrl: string | null;
  readonly sandboxUrl: string | null;
}

const REQUEST_TIMEOUT_MS = 20_000;
const UPLOAD_TIMEOUT_MS = 120_000;
const PAGE = 100;
const CLIENT_ERROR = /^4\d\d: /;
/** Of E2B's own cloud, for what people are told. */
const CLOUD_URL = "https://api.e2b.app";
const API_VARIABLE = "E2B_API_URL";
/** All that workerd says of a name that does not resolve. */
const INTERNAL = /internal error/i;

/** Says of a request that failed whether it was answered, and what to look at. */
function unreachable(
  error: unknown,
  who: string,
  url: string,
  variable: string,
): SandboxUnreachable {
  const why = messageOf(error);
  if (error instanceof TimeoutError) {
    return new SandboxUnreachable(`${who} at ${url} did not answer in time (${why})`);
  }
  if (error instanceof SandboxError) {
    return new SandboxUnreachable(`${who} at ${url} answered with an error (${why})`);
  }
  const cause = INTERNAL.test(why) ? "the name may not resolve, or nothing answers there" : why;
  const advice = `Check ${variable} and the network of the service.`;
  return new SandboxUnreachable(`${who} at ${url} could not be reached (${cause}). ${advice}`);
}

function keyRefused(): CreateRejected {
  return new CreateRejected(
    KEY_REFUSED,
    "E2B refuses the API key. Ask an operator to set E2B_API_KEY to a valid one.",
  );
}

/** The SDK's sandbox, which also tells how its envd is reached. */
class OpenedSandbox extends SdkSandbox {
  get envd(): EnvdAddress {
    const { sandboxId, sandboxDomain, envdPort, envdAccessToken } = this;
    return {
      url: this.connectionConfig.getSandboxUrl(sandboxId, { sandboxDomain, envdPort }),
      headers: {
        "E2b-Sandbox-Id": sandboxId,
        "E2b-Sandbox-Port": String(envdPort),
        ...(envdAccessToken !== undefined && { "X-Access-Token": envdAccessToken }),
      },
    };
  }
}

/** What the failure of a create says about whether there is a sandbox now. */
function createFailure(error: unknown, { template }: NewSandbox, url: string): Error {
  if (error instanceof RateLimitError) return new CreateRefused(error.message);
  if (error instanceof ServiceBusyError) {
    return new CreateRefused(unreachable(error, "E2B", url, API_VARIABLE).message, true);
  }
  if (error instanceof AuthenticationError) return keyRefused();
  const isFinal =
    error instanceof InvalidArgumentError ||
    error instanceof NotFoundError ||
    error instanceof TemplateError ||
    (error instanceof Error && CLIENT_ERROR.test(error.message));
  if (!isFinal) return unreachable(error, "E2B", url, API_VARIABLE);
  return new CreateRejected(
    "sandbox_rejected",
    `E2B does not create a sandbox of template "${template}": ${messageOf(error)}. Correct the task's template, timeout_seconds or network.allow accordingly.`,
  );
}

class E2BSandbox implements Sandbox {
  readonly #sandbox: OpenedSandbox;

  constructor(sandbox: OpenedSandbox) {
    this.#sandbox = sandbox;
  }

  get id(): string {
    return this.#sandbox.sandboxId;
  }

  async write(uploads: readonly Upload[]): Promise<void> {
    const files = uploads.map(({ path, body }) => ({
      path,
      data: body instanceof Uint8Array ? new Blob([body]) : body,
    }));
    try {
      await this.#sandbox.files.write(files, { requestTimeoutMs: UPLOAD_TIMEOUT_MS });
    } catch (error) {
      if (error instanceof NotEnoughSpaceError) throw new DiskFull(error.message);
      throw this.#unreachable(error);
    }
  }

  async read(path: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array> | null> {
    const options = { format: "stream", ...(signal && { signal }) } as const;
    try {
      return await this.#sandbox.files.read(path, options);
    } catch (error) {
      if (error instanceof FileNotFoundError) return null;
      throw this.#unreachable(error);
    }
  }

  #unreachable(error: unknown): SandboxUnreachable {
    return unreachable(error, "The sandbox", this.#sandbox.envd.url, "E2B_SANDBOX_URL");
  }

  async run(command: readonly string[], take: TakeOutput, signal?: AbortSignal): Promise<number> {
    for await (const event of startProcess(this.#sandbox.envd, command, signal)) {
      if (event.type === "ended") return event.exit_code;
      await take(event.stream, event.bytes);
    }
    throw new SandboxUnreachable("The process's stream ended without its exit code");
  }
}

class E2BService implements SandboxService {
  readonly #options: Readonly<{ apiKey: string; apiUrl?: string; sandboxUrl?: string; retries: 0 }>;
  readonly #url: string;

  constructor({ apiKey, apiUrl, sandboxUrl }: E2BAccess) {
    this.#url = apiUrl ?? CLOUD_URL;
    this.#options = {
      apiKey,
      ...(apiUrl !== null && { apiUrl }),
      ...(sandboxUrl !== null && { sandboxUrl }),
      retries: 0,
    };
  }

  async create(asked: NewSandbox): Promise<Sandbox> {
    try {
      const sandbox = await OpenedSandbox.create(asked.template, {
        ...this.#options,
        ...networkOptions(asked.allow),
        metadata: { ...asked.labels },
        timeoutMs: asked.ttl_ms,
        lifecycle: { onTimeout: asked.on_timeout ?? "kill" },
        requestTimeoutMs: CREATE_LIMIT_MS,
      });
      return new E2BSandbox(sandbox);
    } catch (error) {
      throw createFailure(error, asked, this.#url);
    }
  }

  async connect(id: string, ttlMs: number): Promise<Sandbox | null> {
    return this.#call(
      async (options) =>
        new E2BSandbox(await OpenedSandbox.connect(id, { ...options, timeoutMs: ttlMs })),
      null,
    );
  }

  async exists(id: string): Promise<boolean> {
    return this.#call(async (options) => {
      await SdkSandbox.getInfo(id, options);
      return true;
    }, false);
  }

  async pause(id: string): Promise<boolean> {
    return this.#call(async (options) => {
      // The SDK tells one that is paused already by false.
      await SdkSandbox.pause(id, options);
      return true;
    }, false);
  }

  async kill(id: string): Promise<void> {
    await this.#call((options) => SdkSandbox.kill(id, options), false);
  }

  async extend(id: string, ttlMs: number): Promise<void> {
    await this.#call((options) => SdkSandbox.setTimeout(id, ttlMs, options), undefined);
  }

  async *list(labels: SandboxLabels, pageSize = PAGE): AsyncGenerator<readonly ListedSandbox[]> {
    const pages = SdkSandbox.list({
      ...this.#options,
      query: { metadata: { ...labels } },
      limit: pageSize,
    });
    while (pages.hasNext) {
      const page = await this.#call((options) => pages.nextItems(options), null);
      if (page === null) return;
      yield page.map(({ sandboxId, metadata, startedAt }) => ({
        id: sandboxId,
        labels: metadata,
        started_at: startedAt.getTime(),
      }));
    }
  }

  /** `absent` is the answer when there is no such sandbox. */
  async #call<T, A>(
    request: (options: {
      apiKey: string;
      apiUrl?: string;
      sandboxUrl?: string;
      retries: 0;
      requestTimeoutMs: number;
    }) => Promise<T>,
    absent: A,
  ): Promise<T | A> {
    try {
      return await request({ ...this.#options, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    } catch (error) {
      if (error instanceof NotFoundError) return absent;
      if (error instanceof AuthenticationError) throw keyRefused();
      throw unreachable(error, "E2B", this.#url, API_VARIABLE);
    }
  }
}

export function createE2BService(access: E2BAccess): SandboxService {
  return new E2BService(access);
}
