/** Sends one event to the address of a webhook: signed, by the outbound guard, and within a time. */
import type { Config } from "../config.ts";
import { retryAfter } from "../delivery/neighbour.ts";
import type { LogEntry } from "../delivery/target.ts";
import { ApiError } from "../http/errors.ts";
import { secretCipher } from "../security/crypto.ts";
import type { Outbound } from "../security/outbound.ts";
import type { WebhookEvent } from "./events.ts";
import type { StoredSecret, WebhookRow } from "./repository.ts";
import { sign } from "./signature.ts";

const TIMEOUT_MS = 15_000;
const SHOWN_BYTES = 1_000;

/** What came of a request. */
export interface Sent {
  /** Null when nothing was answered. */
  readonly status_code: number | null;
  readonly duration_ms: number;
  /** Why it was not taken, for a person; null when it was. */
  readonly error: string | null;
  readonly retry_after_ms: number | null;
  /** The beginning of the answer. */
  readonly answer: string;
}

/** Longer bodies are not kept, so that they cannot be sent again. */
export const MAX_KEPT_CHARS = 64 * 1024;

/** What the log is told of a request, and the body that it keeps. */
export function loggedOf(
  entity: string,
  { id, type, body }: WebhookEvent,
  attempt: number,
  { status_code, duration_ms, error }: Sent,
): [LogEntry, string | null] {
  const outcome = error === null ? "delivered" : "failed";
  const entry = { entity, id, type, attempt, outcome, status_code, duration_ms, error } as const;
  return [entry, body.length <= MAX_KEPT_CHARS ? body : null];
}

export interface SenderOptions {
  readonly config: Config;
  readonly outbound: Outbound;
  readonly timeout_ms?: number;
}

/** What a secret of a webhook is sealed as. */
export function identityOf(
  { id, project_id }: Pick<WebhookRow, "id" | "project_id">,
  version: number,
) {
  return { project_id, name: `webhook:${id}`, version };
}

export class Sender {
  readonly #options: SenderOptions;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Never rejects for what the receiver does. Throws `misconfigured` when the secret cannot be read. */
  async send(
    row: WebhookRow,
    event: WebhookEvent,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Sent> {
    const begun = Date.now();
    const secrets = await this.#secretsOf(row, begun);
    const { outbound, timeout_ms = TIMEOUT_MS } = this.#options;
    const timeout = AbortSignal.timeout(timeout_ms);
    const request = new Request(row.url, {
      method: "POST",
      redirect: "manual",
      headers: {
        "Content-Type": "application/json",
        "User-Agent": "PIPELZR-Webhooks/1",
        ...headers,
        ...sign(event, secrets, begun),
      },
      body: event.body,
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    try {
      const response = await outbound(request);
      const answer = await beginningOf(response);
      return {
        status_code: response.status,
        duration_ms: Date.now() - begun,
        error: problemOf(response, answer),
        retry_after_ms: retryAfter(response),
        answer,
      };
    } catch (error) {
      return {
        status_code: null,
        duration_ms: Date.now() - begun,
        error: timeout.aborted
          ? `It did not answer within ${timeout_ms / 1000} s.`
          : whyFailed(error),
        retry_after_ms: null,
        answer: "",
      };
    }
  }

  /** The secrets that sign now, the newest first. */
  async #secretsOf(row: WebhookRow, now: number): Promise<readonly string[]> {
    const cipher = await secretCipher(this.#options.config);
    const open = (stored: StoredSecret) =>
      cipher.decrypt(identityOf(row, stored.version), stored).catch((cause: unknown) => {
        if (!(cause instanceof ApiError)) throw cause;
        throw new ApiError(
          "misconfigured",
          "The webhook's secret cannot be read with SECRETS_MASTER_KEYS. Restore the key that it was stored with, or call rotate-secret.",
          { cause },
        );
      });
    const { secret, previous_secret, previous_until } = row;
    const isSigning = previous_secret !== null && (previous_until ?? 0) > now;
    return Promise.all(isSigning ? [open(secret), open(previous_secret)] : [open(secret)]);
  }
}

function problemOf({ status, headers }: Response, answer: string): string | null {
  if (status >= 200 && status < 300) return null;
  const line = answer.replace(/\s+/g, " ").trim();
  const what = line === "" ? "." : `: ${line.slice(0, 200).toWellFormed()}`;
  if (status >= 300 && status < 400 && headers.has("location")) {
    return `It answered ${status}. Redirects are not followed: set \`url\` to where it is.`;
  }
  return `It answered ${status}${what}`;
}

function whyFailed(error: unknown): string {
  if (error instanceof ApiError) return error.detail;
  return `The connection broke off: ${error instanceof Error ? error.message : String(error)}`;
}

/** What comes after the beginning is not waited for, and what breaks off was answered all the same. */
async function beginningOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of response.body ?? []) {
      pieces.push(piece);
      size += piece.byteLength;
      if (size >= SHOWN_BYTES) break;
    }
  } catch {
    // The status has said what matters.
  }
  return Buffer.concat(pieces).subarray(0, SHOWN_BYTES).toString().toWellFormed();
}
