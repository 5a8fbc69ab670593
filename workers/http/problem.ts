/** The only place where an error becomes a response: RFC 9457 `application/problem+json`. */
import { z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppContext } from "./context.ts";
import { ApiError, ERROR_CODES, type ErrorCode } from "./errors.ts";
import { logError } from "./log.ts";

export const PROBLEM_TYPE = "application/problem+json";

export const issueSchema = z.object({
  path: z.string(),
  message: z.string(),
  line: z.int().optional().openapi({ description: "Of a body of YAML, from 1." }),
  column: z.int().optional().openapi({ description: "Of a body of YAML, from 1." }),
});

export const problemSchema = z
  .object({
    type: z.string().openapi({ description: "A URI reference that documents the code." }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: "What happened and what to do about it." }),
    instance: z.string().openapi({ description: "The path of the request." }),
    code: z.string().openapi({ description: "A stable identifier of the kind of error." }),
    request_id: z.string().openapi({ description: "Quote it when you report the error." }),
    errors: z.array(issueSchema).optional().openapi({ description: "Every problem of the input." }),
  })
  .openapi("Problem");

/** The page that documents an error code. */
export function problemType(code: ErrorCode): string {
  return `/docs#error-${code}`;
}

/** Renders any thrown value. What is not an `ApiError` is logged and never shown to the caller. */
export function renderError(error: unknown, c: AppContext): Response {
  const known = asApiError(error);
  if (known === null) {
    logError("request_failed", error, {
      request_id: c.get("requestId"),
      method: c.req.method,
      route: c.get("route"),
    });
    return renderProblem(
      new ApiError(
        "internal",
        "The service failed while it handled the request. Retry; if it happens again, report the request_id.",
      ),
      c,
    );
  }
  return renderProblem(known, c);
}

export function renderProblem(error: ApiError, c: AppContext): Response {
  const { status, title } = ERROR_CODES[error.code];
  const body = {
    ...error.members,
    type: problemType(error.code),
    title,
    status,
    detail: error.detail,
    instance: c.req.path,
    code: error.code,
    request_id: c.get("requestId"),
    ...(error.issues.length > 0 ? { errors: error.issues } : {}),
  };
  return c.body(JSON.stringify(body), status satisfies ContentfulStatusCode, {
    "Content-Type": PROBLEM_TYPE,
    "Cache-Control": "no-store",
    ...error.headers,
  });
}

/** An `ApiError` as it was thrown, also one that crossed RPC and lost its class on the way. */
export function asApiError(error: unknown): ApiError | null {
  if (error instanceof ApiError) return error;
  if (error instanceof HTTPException) return fromHttpException(error);
  const remote = remoteError.safeParse(error);
  if (!remote.success) return null;
  return new ApiError(remote.data.code, remote.data.detail, {
    issues: remote.data.issues,
    members: remote.data.members,
    headers: remote.data.headers,
    cause: error,
  });
}

const remoteError = z.object({
  name: z.literal("ApiError"),
  code: z.custom<ErrorCode>((code) => typeof code === "string" && Object.hasOwn(ERROR_CODES, code)),
  detail: z.string(),
  issues: z.array(issueSchema).default([]),
  members: z.record(z.string(), z.unknown()).default({}),
  headers: z.record(z.string(), z.string()).default({}),
});

function fromHttpException(error: HTTPException): ApiError | null {
  const code: ErrorCode | null =
    error.status === 400
      ? "bad_request"
      : error.status === 413
        ? "payload_too_large"
        : error.status === 415
          ? "unsupported_media_type"
          : null;
  if (code === null) return null;
  return new ApiError(code, error.message || ERROR_CODES[code].title, { cause: error });
}
