/** What happened in a turn, as a trace. */
import { z } from "@hono/zod-openapi";
import { loadConfig } from "../../config.ts";
import type { Router } from "../../http/context.ts";
import { endpoint } from "../../http/endpoint.ts";
import { agentParams as params, tags } from "../replies.ts";
import { serviceOf, toOtlp } from "./otlp.ts";

const attributeSchema = z.object({ key: z.string(), value: z.looseObject({}) });
const tracesSchema = z
  .object({
    resourceSpans: z.array(
      z.object({
        resource: z.object({ attributes: z.array(attributeSchema) }),
        scopeSpans: z.array(
          z.object({
            scope: z.object({ name: z.string(), version: z.string() }),
            schemaUrl: z.string(),
            spans: z.array(
              z.object({
                traceId: z.string(),
                spanId: z.string(),
                parentSpanId: z.string().optional(),
                name: z.string(),
                kind: z.int(),
                startTimeUnixNano: z.string(),
                endTimeUnixNano: z.string(),
                attributes: z.array(attributeSchema),
                status: z.object({ code: z.int(), message: z.string().optional() }),
              }),
            ),
          }),
        ),
      }),
    ),
  })
  .openapi("OtlpTraces");

export function traceRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}/traces",
      operationId: "getAgentTraces",
      tags,
      scope: "agents:read",
      summary: "Read a turn as a trace: the turn, each step of the model, each call of a tool",
      description:
        "OTLP in JSON, by OpenTelemetry's conventions for generative AI. What has not ended is left out; what was said is, too, unless OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is set.",
      request: {
        params,
        query: z.strictObject({
          turn: z
            .string()
            .regex(/^[1-9]\d{0,8}$/, "Send the number of a turn.")
            .transform(Number)
            .optional()
            .openapi({ type: "integer", minimum: 1, description: "The newest unless said." }),
        }),
      },
      responses: { 200: { description: "The trace.", schema: tracesSchema } },
    },
    async (c, { principal, params: { agent_id }, query: { turn = null } }) => {
      const spans = await c.get("services").agents.spans(principal, agent_id, turn);
      return { status: 200, body: toOtlp(spans, serviceOf(loadConfig(c.env))) };
    },
  );
}
