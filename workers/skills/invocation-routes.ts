/** `/api/v1/invocations`, and how skills are invoked. */
import { z } from "@hono/zod-openapi";
import type { AppContext, Router } from "../http/context.ts";
import { createRouter } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage, toPage } from "../http/page.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { idSchema } from "../http/schemas.ts";
import { wantsEvents } from "../http/sse.ts";
import { attemptListSchema, toAttempt } from "../runs/wire.ts";
import type { Principal } from "../security/principal.ts";
import { exampleRoutes } from "./example-routes.ts";
import {
  decisionSchema,
  invocationListSchema,
  invocationSchema,
  invokeSchema,
  listInvocationsQuery,
} from "./invocation-schemas.ts";
import type { FoundInvocation, InvocationService } from "./invocation-service.ts";
import { invocationStreamRoutes, streamInvocation } from "./invocation-stream.ts";
import { versionOf } from "./invocation-version.ts";
import { toInvocation } from "./invocation-view.ts";
import { skillParams, skillQuery } from "./schemas.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly invocations: InvocationService;
  }
}

const tags = ["Skills"];
const params = z.object({ invocation_id: idSchema });
const INVOCATION = { description: "The invocation.", schema: invocationSchema };
const STARTED = {
  description: "Still going, or waiting for an approval; follow `Location` or its `/events`.",
  schema: invocationSchema,
  headers: { Location: "The invocation." },
};
const WAITING =
  "Answers 200 when it has ended, whatever it came to, and 202 when it is still going after `Prefer: wait=N` seconds (30 unless said, 60 at most).";

export function invocationRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/skills/{skill_id}/invoke",
      operationId: "invokeSkill",
      tags,
      scope: "skills:execute",
      summary: "Invoke a skill, by id or slug",
      description: `Inputs that are not what the version takes are refused with their paths. ${WAITING} With \`Accept: text/event-stream\` the answer is the events.`,
      request: {
        params: skillParams,
        query: skillQuery,
        headers: preferHeader,
        body: invokeSchema,
      },
      responses: { 200: INVOCATION, 202: STARTED },
      errors: ["illegal_transition", "payload_too_large"],
    },
    async (c, { principal, seed, params: { skill_id }, query, headers, body }) => {
      const preference = readPreference(headers.prefer);
      const events = wantsEvents(c);
      const found = await c.get("services").invocations.invoke(principal, seed, {
        skill: skill_id,
        project_id: query.project_id,
        version: versionOf(body.version),
        inputs: body.inputs,
        context: body.context ?? null,
        wait_ms: events ? 0 : preference.wait_seconds * 1000,
      });
      const { resource } = found.snapshot;
      if (events) return streamInvocation(c, principal, resource.id, null, 0);
      return answer(found, preferenceHeaders(preference));
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/skills/{skill_id}/invocations",
      operationId: "listSkillInvocations",
      tags,
      scope: "skills:read",
      summary: "List the invocations of a skill, newest first",
      request: { params: skillParams, query: listInvocationsQuery },
      responses: { 200: { description: "A page of them.", schema: invocationListSchema } },
    },
    async (c, { principal, params: { skill_id: skill }, query }) => {
      const { project_id } = query;
      const { id } = await c.get("services").skills.find(principal, { skill, project_id });
      return list(c, principal, query, id);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/invocations",
      operationId: "listInvocations",
      tags,
      scope: "skills:read",
      summary: "List invocations of any skill, newest first",
      request: { query: listInvocationsQuery },
      responses: { 200: { description: "A page of them.", schema: invocationListSchema } },
    },
    (c, { principal, query }) => list(c, principal, query, null),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/invocations/{invocation_id}",
      operationId: "getInvocation",
      tags,
      scope: "skills:read",
      summary: "Read an invocation with its inputs and outputs",
      request: { params },
      responses: { 200: INVOCATION },
    },
    async (c, { principal, params: { invocation_id } }) => {
      const found = await c.get("services").invocations.get(principal, invocation_id);
      return { status: 200, body: render(found) };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/invocations/{invocation_id}/cancel",
      operationId: "cancelInvocation",
      tags,
      scope: "skills:execute",
      summary: "Cancel an invocation; what it invoked ends with it",
      request: { params },
      responses: { 200: INVOCATION, 202: STARTED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { invocation_id } }) =>
      answer(await c.get("services").invocations.cancel(principal, invocation_id), {}),
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/invocations/{invocation_id}/retry",
      operationId: "retryInvocation",
      tags,
      scope: "skills:execute",
      summary: "Run an invocation that failed or was cancelled again, with the same version",
      description: WAITING,
      request: { params, headers: preferHeader },
      responses: { 200: INVOCATION, 202: STARTED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, seed, params: { invocation_id }, headers }) => {
      const preference = readPreference(headers.prefer);
      const { invocations } = c.get("services");
      const wait = preference.wait_seconds * 1000;
      const found = await invocations.retry(principal, invocation_id, seed, wait);
      return answer(found, preferenceHeaders(preference));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/invocations/{invocation_id}/approve",
      operationId: "decideInvocation",
      tags,
      scope: "skills:write",
      summary: "Approve or refuse an invocation that waits for it",
      request: { params, body: decisionSchema },
      responses: { 200: INVOCATION, 202: STARTED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { invocation_id }, body }) =>
      answer(await c.get("services").invocations.decide(principal, invocation_id, body), {}),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/invocations/{invocation_id}/attempts",
      operationId: "listInvocationAttempts",
      tags,
      scope: "skills:read",
      summary: "List the attempts of an invocation's newest run, oldest first",
      request: { params },
      responses: { 200: { description: "The attempts.", schema: attemptListSchema } },
    },
    async (c, { principal, params: { invocation_id } }) => {
      const attempts = await c.get("services").invocations.attempts(principal, invocation_id);
      return { status: 200, body: { items: attempts.map(toAttempt) } };
    },
  );

  exampleRoutes(router);
  invocationStreamRoutes(router);
  return router;
}

type ListQuery = z.output<typeof listInvocationsQuery>;

async function list(c: AppContext, principal: Principal, query: ListQuery, skillId: string | null) {
  const page = readPage(query, c.req.url);
  const filter = {
    project_id: query.project_id ?? null,
    skill_id: skillId,
    states: query.state ?? null,
    invoked_by: query.invoked_by ?? null,
    parent_id: query.parent_id ?? null,
  };
  const rows = await c.get("services").invocations.list(principal, filter, page);
  const { body, headers } = toPage(
    rows,
    page,
    c.req.url,
    (row) => row,
    ({ summary }) => summary,
  );
  return { status: 200, body, headers } as const;
}

function render({ snapshot, outputs }: FoundInvocation) {
  return toInvocation(snapshot, outputs);
}

/** 200 with what has ended, 202 with what has not. */
function answer(found: FoundInvocation, headers: Record<string, string>) {
  const { resource, run } = found.snapshot;
  const Location = `/api/v1/invocations/${resource.id}`;
  const all = { ...headers, Location };
  const body = render(found);
  if (run?.completed_at !== null) return { status: 200, body, headers: all } as const;
  return { status: 202, body, headers: all } as const;
}
