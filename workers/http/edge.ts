/** The outermost middleware: request id, clock, error rendering, response headers, log line. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { Config } from "../config.ts";
import { loadConfig } from "../config.ts";
import type { AppContext, AppEnv } from "./context.ts";
import { ApiError } from "./errors.ts";
import { log } from "./log.ts";
import { renderError } from "./problem.ts";
import { newSeed } from "./seed.ts";

/** What is known of a request once it is answered. */
export interface Observation {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly duration_ms: number;
}

/** Is told of every answered request. */
export type Observer = (c: AppContext, observation: Observation) => void;

const REQUEST_ID_PATTERN = /^[A-Za-z0-9._:-]{1,128}$/;
const SECURITY_HEADERS: readonly (readonly [string, string])[] = [
  ["X-Content-Type-Options", "nosniff"],
  ["Referrer-Policy", "no-referrer"],
  ["X-Frame-Options", "DENY"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
];
const API_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";
const TRANSPORT_SECURITY = "max-age=31536000; includeSubDomains";

export function edge(observe: Observer): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const started = performance.now();
    c.set("requestId", requestIdOf(c));
    c.set("route", "unmatched");
    c.set("caller", "anonymous");
    try {
      await next();
    } catch (error) {
      c.res = renderError(error, c);
    }
    finish(c, performance.now() - started, observe);
  };
}

function finish(c: AppContext, duration: number, observe: Observer): void {
  const { status } = c.res;
  observe(c, { method: c.req.method, route: c.get("route"), status, duration_ms: duration });
  const config: Config | undefined = c.get("config");
  if (status >= 500 || config?.DEBUG === true) {
    log(status === 500 ? "error" : status > 500 ? "warn" : "info", "request", {
      request_id: c.get("requestId"),
      method: c.req.method,
      route: c.get("route"),
      status,
      duration_ms: Math.round(duration * 100) / 100,
      caller: c.get("caller"),
    });
  }
  // The headers of an accepted WebSocket cannot be changed.
  if (status === 101) return;
  writeHeaders(mutable(c), c, duration);
}

/** A response that came from elsewhere has immutable headers: it is wrapped. */
function mutable(c: AppContext): Headers {
  try {
    c.res.headers.set("X-Request-Id", c.get("requestId"));
  } catch {
    c.res = new Response(c.res.body, c.res);
    c.res.headers.set("X-Request-Id", c.get("requestId"));
  }
  return c.res.headers;
}

function writeHeaders(headers: Headers, c: AppContext, duration: number): void {
  headers.set("X-Correlation-ID", c.get("requestId"));
  headers.set("X-Response-Time", `${duration.toFixed(2)}ms`);
  for (const [name, value] of SECURITY_HEADERS) headers.set(name, value);
  if (!headers.has("Content-Security-Policy")) {
    headers.set("Content-Security-Policy", API_CONTENT_POLICY);
  }
  if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
  if (c.req.url.startsWith("https:")) headers.set("Strict-Transport-Security", TRANSPORT_SECURITY);
  const projectsFrom = c.get("projectsFrom");
  if (projectsFrom !== undefined) headers.set("X-Projects-From", projectsFrom);
  const rateLimit = c.get("rateLimit");
  if (rateLimit !== undefined) {
    headers.set("X-RateLimit-Limit", String(rateLimit.limit));
    headers.set("X-RateLimit-Remaining", String(rateLimit.remaining));
    headers.set("X-RateLimit-Reset", String(Math.ceil(rateLimit.reset_at / 1000)));
  }
}

function requestIdOf(c: AppContext): string {
  for (const name of ["x-request-id", "x-correlation-id"]) {
    const sent = c.req.header(name);
    if (sent !== undefined && REQUEST_ID_PATTERN.test(sent)) return sent;
  }
  return newSeed();
}

/** Unusable variables admit no origin; the request itself is told of them elsewhere. */
function allowedOrigins(env: object): readonly string[] {
  try {
    return loadConfig(env).CORS_ORIGINS;
  } catch {
    return [];
  }
}

const corsForConfig = cors({
  origin: (origin, c) => {
    const allowed = allowedOrigins(c.env);
    if (allowed.includes("*")) return "*";
    return allowed.includes(origin) ? origin : null;
  },
  allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  allowHeaders: [
    "Authorization",
    "Content-Digest",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Prefer",
    "Range",
    "X-API-Key",
    "X-Correlation-ID",
    "X-Pipelzr-Project",
    "X-Request-Id",
  ],
  exposeHeaders: [
    "Content-Range",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "X-Correlation-ID",
    "X-Projects-From",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "X-Response-Time",
  ],
  maxAge: 86_400,
});

/** CORS for browsers; a request that names no origin does not pay for it. */
export const crossOrigin: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.req.header("origin") === undefined) {
    await next();
    return;
  }
  if (c.req.method === "OPTIONS" && c.req.header("access-control-request-method") === undefined) {
    await next();
    return;
  }
  return corsForConfig(c, next);
};

/**
 * Refuses a declared length over the limit before anything else is done for the request, but for
 * streamed paths, whose bodies are passed on and have a limit of their own.
 */
export function bodyLimit(isStreamed: (path: string) => boolean): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const declared = c.req.header("content-length");
    const { MAX_BODY_BYTES } = c.get("config");
    if (declared !== undefined && Number(declared) > MAX_BODY_BYTES && !isStreamed(c.req.path)) {
      throw new ApiError(
        "payload_too_large",
        `The body is larger than ${MAX_BODY_BYTES} bytes. Send less, or raise MAX_BODY_BYTES.`,
        { members: { max_bytes: MAX_BODY_BYTES } },
      );
    }
    await next();
  };
}
