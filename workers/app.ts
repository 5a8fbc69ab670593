/** Puts the service together: the order of middleware, the routers, what no route answers. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { isSessionBundlePath } from "./agents/bundle-routes.ts";
import { isGrammarPath } from "./codebases/grammars/routes.ts";
import { isArchivePath } from "./codebases/snapshot-routes.ts";
import type { Config } from "./config.ts";
import { loadConfig, serviceIdentity } from "./config.ts";
import { consoleRoutes } from "./console/routes.ts";
import { RUNNER_PATHS } from "./executors/runner/protocol.ts";
import { AllowedMethods } from "./http/allowed.ts";
import type { AppEnv, Router, Services } from "./http/context.ts";
import { bodyLimit, crossOrigin, edge, type Observer } from "./http/edge.ts";
import { documentOf, openApiRoutes } from "./http/openapi-document.ts";
import { renderError } from "./http/problem.ts";
import { mcpRoutes } from "./mcp/routes.ts";
import { healthRoutes, operationRoutes } from "./operations/routes.ts";
import { authenticationSettings, isConfigured, notConfigured } from "./security/settings.ts";
import { isBundlePath } from "./skills/bundle-routes.ts";

export const API_BASE = "/api/v1";

export interface AppOptions {
  /** Builds the features' services; called once an environment. */
  readonly services: (env: Env, config: Config) => Services;
  /** The features, mounted under `/api/v1`. */
  readonly routers: readonly Router[];
  /** Is told of every answered request. */
  readonly observe: Observer;
}

export function createApp(options: AppOptions): Router {
  const app = new OpenAPIHono<AppEnv>();
  app.use(edge(options.observe));
  app.use(crossOrigin);
  app.route("/", healthRoutes);
  app.use(configure(options.services));
  app.use(bodyLimit(hasOwnLimit));
  app.route("/", operationRoutes);
  app.use(closedUntilConfigured);
  app.route(
    "/",
    openApiRoutes(() => document()),
  );
  app.route("/", consoleRoutes);
  app.route("/", mcpRoutes());
  for (const router of options.routers) app.route(API_BASE, router);

  const methods = new AllowedMethods(app);
  const document = documentOf(app, serviceIdentity({}));
  app.notFound((c) => methods.answer(c));
  app.onError((error, c) => renderError(error, c));
  return app;
}

const hasOwnLimit = (path: string) =>
  path === RUNNER_PATHS.artifacts ||
  isArchivePath(path) ||
  isGrammarPath(path) ||
  isBundlePath(path) ||
  isSessionBundlePath(path);

/** Parses the variables and builds the services, once an environment. */
function configure(build: AppOptions["services"]): MiddlewareHandler<AppEnv> {
  const built = new WeakMap<object, Services>();
  return async (c, next) => {
    const config = loadConfig(c.env);
    let services = built.get(c.env);
    if (services === undefined) {
      services = build(c.env, config);
      built.set(c.env, services);
    }
    c.set("config", config);
    c.set("services", services);
    await next();
  };
}

/** A deployment that could admit nobody says so, and what to set. */
const closedUntilConfigured: MiddlewareHandler<AppEnv> = async (c, next) => {
  const settings = authenticationSettings(c.get("config"));
  if (!isConfigured(settings)) throw notConfigured(settings);
  await next();
};
