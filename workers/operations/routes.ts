/** `/health`, `/ready` and `/metrics`, at the root of the service. */
import { z } from "@hono/zod-openapi";
import { serviceIdentity } from "../config.ts";
import { createRouter } from "../http/context.ts";
import { endpoint, publicEndpoint } from "../http/endpoint.ts";
import { preferredType } from "../http/negotiate.ts";
import { toOriginalJson, toPrometheus } from "./exposition.ts";
import { checkReadiness, type Readiness } from "./health.ts";
import { measure } from "./measure.ts";
import { healthSchema, metricsSchema, readinessSchema } from "./schemas.ts";

const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const tags = ["Service"];

/** Answers while the process lives, whatever its configuration. */
export const healthRoutes = createRouter();

publicEndpoint(
  healthRoutes,
  {
    method: "get",
    path: "/health",
    operationId: "getHealth",
    tags,
    summary: "Say that the service is alive",
    responses: { 200: { description: "The service is alive.", schema: healthSchema } },
  },
  (c) => ({ status: 200, body: { status: "healthy", ...serviceIdentity(c.env) } }),
);

export const operationRoutes = createRouter();

publicEndpoint(
  operationRoutes,
  {
    method: "get",
    path: "/ready",
    operationId: "getReadiness",
    tags,
    summary: "Check what the service stands on",
    description:
      "Asks the database, a Durable Object, the queue and the blob store, and says which executors are usable.",
    responses: {
      200: { description: "Every check passed.", schema: readinessSchema },
      503: { description: "A check failed.", schema: readinessSchema },
    },
  },
  async (c) => {
    const readiness = await checkReadiness(c.env, c.get("config"));
    const body = toDocument(readiness);
    return readiness.ready ? { status: 200, body } : { status: 503, body };
  },
);

endpoint(
  operationRoutes,
  {
    method: "get",
    path: "/metrics",
    operationId: "getMetrics",
    tags,
    scope: "metrics:read",
    summary: "Read the service's figures",
    description:
      "Prometheus text, or JSON when `Accept` prefers it. HTTP figures are those of the whole deployment; task figures those of the caller's projects.",
    responses: {
      200: {
        description: "The figures.",
        schema: metricsSchema,
        content: { "text/plain": z.string() },
      },
    },
  },
  async (c, { principal }) => {
    const measured = await measure(c.env, c.get("config"), principal);
    if (
      preferredType(c.req.header("accept"), ["text/plain", "application/json"]) === "text/plain"
    ) {
      return new Response(toPrometheus(measured), { headers: { "Content-Type": PROMETHEUS_TYPE } });
    }
    return { status: 200, body: toOriginalJson(measured) };
  },
);

function toDocument({ ready, checks, executors }: Readiness) {
  const statusOf = (name: (typeof checks)[number]["name"]) =>
    checks.find((check) => check.name === name)?.status ?? "failed";
  const stateOf = (type: (typeof executors)[number]["type"]) =>
    executors.find((executor) => executor.type === type)?.state ?? "unavailable";
  return {
    status: ready ? ("ready" as const) : ("not_ready" as const),
    checks: {
      database: statusOf("database"),
      durable_objects: statusOf("durable_objects"),
      queue: statusOf("queue"),
      blobs: statusOf("blobs"),
      dynamic_workers: statusOf("dynamic_workers"),
      authentication: statusOf("authentication"),
      execution_backends: {
        local: stateOf("local"),
        dagger: stateOf("dagger"),
        e2b: stateOf("e2b"),
        subprocess: stateOf("subprocess"),
      },
    },
    details: checks,
    executors,
  };
}
