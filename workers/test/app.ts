/** Builds the app around given routers, and calls it as a client would. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { z } from "zod";
import { createApp } from "../app.ts";
import type { Router } from "../http/context.ts";
import { buildServices, featureRouters } from "../services.ts";

export const DEV_KEY = "test-dev-key";

/** The environment of the lane with other variables: an isolate of its own, with empty caches. */
export function envWith(variables: Record<string, string> = {}): Env {
  return { ...env, ...variables };
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as an object; empty when it is not one. */
  readonly body: Record<string, unknown>;
}

export type Call = (path: string, init?: CallInit) => Promise<Reply>;

export interface CallInit {
  readonly method?: string;
  /** Sent as JSON unless it is text or bytes. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** `Authorization: Bearer …`; the dev key unless given, none for null. */
  readonly key?: string | null;
  /** Does not wait for background work, as a client does not. */
  readonly detached?: boolean;
}

/** The app with `routers` added, in an isolate with `variables`; `routes` are those that were called, as metrics name them. */
export function isolate(routers: readonly Router[] = [], variables: Record<string, string> = {}) {
  const bindings = envWith(variables);
  const routes = new Set<string>();
  const app = createApp({
    services: buildServices,
    routers: [...featureRouters, ...routers],
    observe: (_, { route }) => routes.add(route),
  });
  const call: Call = async (path, init = {}) => {
    const context = createExecutionContext();
    const request = new Request(`https://pipelzr.test${path}`, toRequestInit(init));
    const response = await app.fetch(request, bindings, context);
    const text = await response.text();
    if (init.detached !== true) await waitOnExecutionContext(context);
    return { status: response.status, headers: response.headers, text, body: parse(text) };
  };
  return { app, call, env: bindings, routes };
}

function toRequestInit(init: CallInit): RequestInit {
  const headers = new Headers(init.headers);
  const key = init.key === undefined ? DEV_KEY : init.key;
  if (key !== null && !headers.has("authorization")) headers.set("authorization", `Bearer ${key}`);
  const { body } = init;
  if (body === undefined) return { method: init.method ?? "GET", headers };
  const raw = typeof body === "string" || body instanceof Uint8Array;
  if (!raw && !headers.has("content-type")) headers.set("content-type", "application/json");
  return { method: init.method ?? "POST", headers, body: raw ? body : JSON.stringify(body) };
}

function parse(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    return {};
  }
}
