/** What every handler of the service can reach through Hono's context. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Config } from "../config.ts";

/**
 * The services that routes call, one property a feature. A feature adds its own by declaration
 * merging, so that this layer imports no feature:
 *
 *     declare module "../http/context.ts" {
 *       interface Services { readonly secrets: SecretService }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: features declare its members.
export interface Services {}

/** What the rate limiter found; rendered as `X-RateLimit-*` headers. `reset_at` is ms since 1970. */
export interface RateLimitState {
  readonly limit: number;
  readonly remaining: number;
  readonly reset_at: number;
}

export interface AppEnv {
  Bindings: Env;
  Variables: {
    config: Config;
    services: Services;
    requestId: string;
    /** The route's pattern, such as `/api/v1/tasks/{task_id}`; `unmatched` when no route was found. */
    route: string;
    /** Who called, for the log; `anonymous` until authentication succeeds. */
    caller: string;
    rateLimit: RateLimitState | undefined;
    /** How the caller's projects are known, for callers of whom that is a question. */
    projectsFrom: string | undefined;
  };
}

export type AppContext = Context<AppEnv>;
export type Router = OpenAPIHono<AppEnv>;

/** Makes a router for one feature; its paths are relative to where `app.ts` mounts it. */
export function createRouter(): Router {
  return new OpenAPIHono<AppEnv>();
}
