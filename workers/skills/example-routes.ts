/** `/api/v1/skills/{skill_id}/test`: the examples of a skill, run. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { jsonSchema } from "../http/schemas.ts";
import type { ExampleResult, ExampleService } from "./examples.ts";
import { versionOf, versionSchema } from "./invocation-version.ts";
import { skillParams, skillQuery } from "./schemas.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly examples: ExampleService;
  }
}

const resultSchema = z
  .object({
    name: z.string(),
    verdict: z.enum(["passed", "failed", "open"]).openapi({
      description: "`open` while its invocation has not ended, or waits for an approval.",
    }),
    invocation_id: z.string(),
    expected: jsonSchema.optional(),
    outputs: z.unknown(),
    reason: z.string().nullable().openapi({ description: "Why it failed, with the place." }),
    duration_ms: z.number().nullable(),
  })
  .openapi("ExampleResult");

const testResultSchema = z
  .object({
    skill_id: z.string(),
    version: z.string(),
    version_number: z.int(),
    passed: z.boolean().openapi({ description: "Whether every example has passed." }),
    items: z.array(resultSchema),
  })
  .openapi("SkillTest");

export function exampleRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/skills/{skill_id}/test",
      operationId: "testSkill",
      tags: ["Skills"],
      scope: "skills:execute",
      summary: "Run the examples of a skill, and tell which came to what they say",
      description:
        "Each is an invocation like any other, five at once. Waits `Prefer: wait=N` seconds for each (30 unless said, 60 at most).",
      request: {
        params: skillParams,
        query: skillQuery,
        headers: preferHeader,
        body: z.strictObject({ version: versionSchema }).openapi("TestSkill"),
      },
      responses: { 200: { description: "What came of each.", schema: testResultSchema } },
      errors: ["illegal_transition"],
    },
    async (c, { principal, seed, params: { skill_id }, query: { project_id }, headers, body }) => {
      const preference = readPreference(headers.prefer);
      const { skill, results } = await c
        .get("services")
        .examples.run(
          principal,
          seed,
          { skill: skill_id, project_id },
          versionOf(body.version),
          preference.wait_seconds * 1000,
        );
      return {
        status: 200,
        headers: preferenceHeaders(preference),
        body: {
          skill_id: skill.skill_id,
          version: skill.version,
          version_number: skill.number,
          passed: results.every(({ verdict }) => verdict === "passed"),
          items: results.map(toResult),
        },
      };
    },
  );
}

function toResult({ name, verdict, found, expected, reason }: ExampleResult) {
  const { resource, run } = found.snapshot;
  const isTimed = run?.completed_at != null && run.started_at !== null;
  return {
    ...{ name, verdict, reason },
    ...(expected !== undefined && { expected: jsonSchema.parse(expected) }),
    invocation_id: resource.id,
    outputs: found.outputs,
    duration_ms: isTimed ? (run.completed_at ?? 0) - (run.started_at ?? 0) : null,
  };
}
