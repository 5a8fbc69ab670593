/**
 * The one error type of the service. Services throw it, `problem.ts` renders it as
 * RFC 9457 `application/problem+json`; nothing else builds an error response.
 */

/** Every code an API error can carry, with the HTTP status and the title it is rendered with. */
export const ERROR_CODES = {
  bad_request: { status: 400, title: "Bad request" },
  unauthenticated: { status: 401, title: "Authentication required" },
  forbidden: { status: 403, title: "Not allowed" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "Method not allowed" },
  not_acceptable: { status: 406, title: "Not acceptable" },
  illegal_transition: { status: 409, title: "Illegal state transition" },
  conflict: { status: 409, title: "Conflict" },
  idempotency_in_progress: { status: 409, title: "Request in progress" },
  precondition_failed: { status: 412, title: "Precondition failed" },
  payload_too_large: { status: 413, title: "Payload too large" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  range_not_satisfiable: { status: 416, title: "Range not satisfiable" },
  validation_failed: { status: 422, title: "Validation failed" },
  idempotency_mismatch: { status: 422, title: "Idempotency key reused" },
  executor_unavailable: { status: 422, title: "Executor unavailable" },
  precondition_required: { status: 428, title: "Precondition required" },
  rate_limited: { status: 429, title: "Rate limit exceeded" },
  internal: { status: 500, title: "Internal error" },
  misconfigured: { status: 503, title: "Service not configured" },
  unavailable: { status: 503, title: "Temporarily unavailable" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One problem of a request: where it is (`tasks[2].name`, a header, a query parameter) and what to do. */
export interface Issue {
  readonly path: string;
  readonly message: string;
  /** Where it is in a body of YAML, counted from 1. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

export interface ApiErrorOptions {
  readonly issues?: readonly Issue[];
  /** Extra problem members, such as `state` and `allowed` of an illegal transition. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error that a caller can act on: `detail` says what happened and what to do next. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly issues: readonly Issue[];
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, detail: string, options: ApiErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ApiError";
    this.code = code;
    this.detail = detail;
    this.issues = options.issues ?? [];
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** The 404 of a resource that does not exist, and of one that belongs to another project. */
export function notFound(kind: string, id: string): ApiError {
  return new ApiError(
    "not_found",
    `No ${kind} with id "${id}" exists in the projects of this caller. List the ${kind}s to see the ids that do.`,
  );
}
