/** What goes wrong with a provider, as the error of ours that says what to do. */
import {
  APICallError,
  InvalidResponseDataError,
  JSONParseError,
  TypeValidationError,
} from "@ai-sdk/provider";
import { z } from "zod";
import { ModelError, type ModelErrorCode } from "./port.ts";
import type { Endpoint } from "./providers.ts";

/** Whom it went wrong with. */
export interface Target {
  readonly endpoint: Endpoint;
  /** As the provider calls it. */
  readonly model: string;
}

const MAX_DETAIL_CHARACTERS = 500;

/** The body of an error, and an error inside a stream, of either protocol. */
const complaintSchema = z.object({
  message: z.string(),
  type: z.string().nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
  statusCode: z.number().optional(),
});
type Complaint = z.output<typeof complaintSchema>;
const bodySchema = z.object({ error: complaintSchema });

/** Errors inside a stream have no status; their types are those of the statuses they would have had. */
const STATUS_OF_TYPE: Readonly<Record<string, number>> = {
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  overloaded_error: 529,
  authentication_error: 401,
  invalid_api_key: 401,
  permission_error: 403,
  not_found_error: 404,
  billing_error: 402,
  request_too_large: 413,
  invalid_request_error: 400,
};

const TOO_LONG =
  /prompt is too long|context_length_exceeded|maximum context length|context window|context limit|exceeds? the (available )?context/i;
const NO_CREDIT = /insufficient_quota|billing_error|credit balance is too low/i;

/** Any failure of a step, as the port's error. */
export function modelErrorOf(cause: unknown, target: Target): ModelError {
  if (cause instanceof ModelError) return cause;
  if (APICallError.isInstance(cause)) return ofCall(cause, target);
  const { label } = target.endpoint;
  if (JSONParseError.isInstance(cause) || TypeValidationError.isInstance(cause)) {
    return new ModelError(
      "model_bad_response",
      `${label} sent a part of a stream that cannot be read; try it again, and check ${target.endpoint.variables.base_url} if it stays so.`,
      { cause },
    );
  }
  if (InvalidResponseDataError.isInstance(cause)) return streamCut(target, cause);
  const complaint = complaintSchema.safeParse(cause);
  if (complaint.success && !(cause instanceof Error)) return ofComplaint(complaint.data, target);
  return unreachable(target, cause);
}

/** The stream ended, or broke, before the step did. */
export function streamCut({ endpoint }: Target, cause?: unknown): ModelError {
  return new ModelError(
    "model_stream_cut",
    `The stream of ${endpoint.label} ended before the model's step did; try it again.`,
    { cause },
  );
}

function unreachable({ endpoint }: Target, cause: unknown): ModelError {
  return new ModelError(
    "model_unavailable",
    `${endpoint.label} cannot be reached at ${endpoint.base_url}; try it again, and check ${endpoint.variables.base_url} if it stays so.`,
    { cause },
  );
}

function ofCall(error: APICallError, target: Target): ModelError {
  const { statusCode: status, responseBody: body = "", responseHeaders: headers = {} } = error;
  if (status === undefined) return unreachable(target, error);
  if (status < 300) {
    return error.cause instanceof ModelError ? error.cause : streamCut(target, error);
  }
  const told = bodySchema.safeParse(parsed(body));
  const complaint = told.success ? told.data.error : { message: body || error.message };
  return ofStatus(status, complaint, target, retryAfterMs(headers, Date.now()), error);
}

function ofComplaint(complaint: Complaint, target: Target): ModelError {
  const { statusCode, type, code } = complaint;
  const known = STATUS_OF_TYPE[String(code ?? "")] ?? STATUS_OF_TYPE[type ?? ""];
  const status = statusCode ?? (typeof code === "number" ? code : known) ?? 500;
  return ofStatus(status, complaint, target, null, complaint);
}

function ofStatus(
  status: number,
  complaint: Complaint,
  { endpoint, model }: Target,
  retry_after_ms: number | null,
  cause: unknown,
): ModelError {
  const { label, variables } = endpoint;
  const words = `${complaint.type ?? ""} ${complaint.code ?? ""} ${complaint.message}`;
  const detail = complaint.message.slice(0, MAX_DETAIL_CHARACTERS);
  const error = (code: ModelErrorCode, message: string) =>
    new ModelError(code, message, { cause, retry_after_ms });
  if (status === 402 || NO_CREDIT.test(words)) {
    return error(
      "model_quota_exhausted",
      `The account of ${variables.key} at ${label} has no credit left; add some, or use another model.`,
    );
  }
  if (status === 413 || TOO_LONG.test(words)) {
    return error(
      "context_too_long",
      `The conversation is longer than ${model} can read; shorten it, or use a model with a larger context. ${label}: ${detail}`,
    );
  }
  if (status === 401 || status === 403) {
    return error(
      "model_auth",
      `${label} does not accept the key in ${variables.key} for ${model} (status ${status}); set one that may use it.`,
    );
  }
  if (status === 404) {
    return error(
      "model_not_found",
      `${label} has no model "${model}", or not at ${endpoint.base_url}; use another name, or correct ${variables.base_url}.`,
    );
  }
  if (status === 429) {
    return error(
      "model_rate_limited",
      `${label} limits how much is asked of it now; wait${waiting(retry_after_ms)}, or raise the account's limits. ${detail}`,
    );
  }
  if (status === 503 || status === 529) {
    return error(
      "model_overloaded",
      `${label} is overloaded now; wait${waiting(retry_after_ms)} and try it again.`,
    );
  }
  if (status < 400 || status >= 500 || status === 408 || status === 409) {
    return error(
      "model_unavailable",
      `${label} failed with status ${status}; try it again, and check ${variables.base_url} if it stays so. ${detail}`,
    );
  }
  return error(
    "model_invalid_request",
    `${label} does not accept the request for ${model} (status ${status}): ${detail}`,
  );
}

const waiting = (ms: number | null) => (ms === null ? " a while" : ` ${Math.ceil(ms / 1000)} s`);

/** What `retry-after-ms` and `retry-after`, seconds or a date, come to from `now`; null without them. */
export function retryAfterMs(
  headers: Readonly<Record<string, string>>,
  now: number,
): number | null {
  const ms = Number.parseFloat(headers["retry-after-ms"] ?? "");
  if (Number.isFinite(ms)) return Math.max(0, ms);
  const text = headers["retry-after"];
  if (text === undefined) return null;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
