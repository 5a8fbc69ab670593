/** `/api/v1/integrations/idealzr/preview`. */
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { evidencePreviewSchema, previewEvidenceSchema } from "./schemas.ts";
import type { EvidenceService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly evidence: EvidenceService;
  }
}

export function evidenceRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/integrations/idealzr/preview",
      operationId: "previewEvidence",
      tags: ["integrations"],
      scope: "integrations:read",
      summary: "Show the evidence that IDEALZR is sent for an outcome; nothing is sent",
      request: { body: previewEvidenceSchema },
      responses: { 200: { description: "What is sent.", schema: evidencePreviewSchema } },
      errors: ["not_found"],
    },
    async (c, { principal, body }) => ({
      status: 200,
      body: await c.get("services").evidence.preview(principal, body),
    }),
  );

  return router;
}
