/** The wire form of the service's own endpoints. */
import { z } from "@hono/zod-openapi";
import { TASK_TYPES } from "../executors/port.ts";

export const cardSchema = z
  .object({
    name: z.string(),
    service: z.string(),
    version: z.string(),
    status: z.literal("operational"),
    description: z.string(),
    endpoints: z.record(z.string(), z.string()),
  })
  .openapi("ServiceCard");

export const healthSchema = z
  .object({ status: z.literal("healthy"), service: z.string(), version: z.string() })
  .openapi("Health");

const outcome = z.enum(["ok", "failed"]);
const backend = z.enum(["enabled", "disabled", "unavailable"]);

export const readinessSchema = z
  .object({
    status: z.enum(["ready", "not_ready"]),
    checks: z.object({
      database: outcome,
      durable_objects: outcome,
      queue: outcome,
      blobs: outcome,
      dynamic_workers: outcome,
      authentication: outcome,
      execution_backends: z.object({
        local: backend,
        dagger: backend,
        e2b: backend,
        subprocess: backend,
      }),
    }),
    details: z.array(
      z.object({
        name: z.string(),
        status: outcome,
        latency_ms: z.number(),
        reason: z.string().nullable(),
      }),
    ),
    executors: z.array(
      z.object({
        type: z.enum(TASK_TYPES),
        state: backend,
        usable: z.boolean(),
        reason: z.string().nullable(),
      }),
    ),
  })
  .openapi("Readiness");

export const metricsSchema = z
  .object({
    uptime_seconds: z.number(),
    total_requests: z.number(),
    total_errors: z.number(),
    error_rate: z.number(),
    endpoints: z.record(
      z.string(),
      z.object({
        requests: z.number(),
        errors: z.number(),
        error_rate: z.number(),
        avg_latency_ms: z.number(),
        p50_latency_ms: z.number(),
        p99_latency_ms: z.number(),
      }),
    ),
    tasks: z.record(z.string(), z.number()),
    pipelines: z.record(z.string(), z.number()),
    invocations: z.record(z.string(), z.number()).openapi({
      description: "By state: those that have ended, of the skills that there are.",
    }),
    runners_connected: z.record(z.string(), z.number()).openapi({
      description: "By executor: runners that are connected and can run it now.",
    }),
    dispatches_queued: z
      .record(z.string(), z.number())
      .openapi({ description: "By executor: dispatches that wait for a runner." }),
    dead_letters: z.record(z.string(), z.number()).openapi({ description: "By status." }),
    sandboxes: z
      .object({ seconds: z.number(), usd: z.number() })
      .openapi({ description: "What sandboxes that have ended came to." }),
  })
  .openapi("Metrics");
