/**
 * Declares one endpoint: its OpenAPI entry and the pipeline in front of its handler.
 *
 * The order is authentication, rate limit, scope, validation of every part of the input at once,
 * idempotency, handler, audit entry. An endpoint cannot be declared without saying who may call it.
 *
 *     endpoint(router, {
 *       method: "get", path: "/tasks/{task_id}", operationId: "getTask", tags: ["tasks"],
 *       scope: "tasks:read", summary: "Get a task",
 *       request: { params: z.object({ task_id: idSchema }) },
 *       responses: { 200: { description: "The task.", schema: taskSchema } },
 *     }, async (c, { params, principal }) => ({
 *       status: 200, body: await c.get("services").tasks.get(principal, params.task_id),
 *     }));
 */
import type { z } from "@hono/zod-openapi";
import { routePath } from "hono/route";
import type { StatusCode } from "hono/utils/http-status";
import { authenticate } from "../security/authenticate.ts";
import { type Principal, requireScope, type Scope } from "../security/principal.ts";
import { namedIn, withProjects } from "../security/project-access.ts";
import { followed } from "./audit.ts";
import { verifyDigest } from "./content-digest.ts";
import type { AppContext, Router } from "./context.ts";
import type { EndpointSpec, ResponseSpecs } from "./endpoint-spec.ts";
import { withIdempotency } from "./idempotency.ts";
import { compileInput, type InputShape } from "./input.ts";
import { type Access, describeEndpoint } from "./openapi.ts";
import { takeRequest } from "./rate-limit.ts";
import { respond } from "./reply.ts";
import { newSeed } from "./seed.ts";
import { readTrace } from "./trace.ts";
import { type Locate, locateError } from "./yaml.ts";

export interface SecuredSpec<Shape extends InputShape, Responses extends ResponseSpecs>
  extends EndpointSpec<Shape, Responses> {
  readonly scope: Scope;
}

type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** A JSON response, checked against the endpoint's declared responses. */
export type Reply<Responses extends ResponseSpecs> = {
  [Status in keyof Responses & StatusCode]: Responses[Status] extends {
    readonly schema: infer Schema extends z.ZodType;
  }
    ? {
        readonly status: Status;
        readonly body: DeepReadonly<z.output<Schema>>;
        readonly headers?: Readonly<Record<string, string>>;
      }
    : {
        readonly status: Status;
        readonly body?: undefined;
        readonly headers?: Readonly<Record<string, string>>;
      };
}[keyof Responses & StatusCode];

/** The validated input, with who sent it. */
export type Input<Shape extends InputShape> = z.output<z.ZodObject<Shape>> & {
  readonly principal: Principal;
  /**
   * A UUIDv7 chosen before work starts. A create derives its resource's id from it, an action uses
   * it as the command's id: a request that is taken over after a crash carries the same one.
   */
  readonly seed: string;
  /** Finds places in a body of YAML; null for any other body. */
  readonly locate: Locate | null;
};

type Answer<Responses extends ResponseSpecs> = Reply<Responses> | Response;

/** Declares an endpoint that needs `scope`. */
export function endpoint<
  const Responses extends ResponseSpecs,
  const A extends Answer<Responses>,
  Shape extends InputShape = InputShape,
>(
  router: Router,
  spec: SecuredSpec<Shape, Responses>,
  handler: (c: AppContext, input: Input<Shape>) => Promise<A> | A,
): void {
  const parse = compileInput(spec);
  describeEndpoint(router, spec, { kind: "scope", scope: spec.scope });
  router.on([spec.method], [honoPath(spec.path)], (c) => {
    enter(c);
    return followed(c, spec, async (trail) => {
      const caller = await authenticated(c);
      trail.callBy(caller);
      await takeRequest(c, caller);
      requireScope(caller, spec.scope);
      const { input, body, locate } = await parse(c);
      const principal = await withProjects(c, caller, namedIn(input));
      trail.callBy(principal);
      await trail.begin(body);
      const answer = async (seed: string) => {
        try {
          const answered = await handler(c, { ...input, principal, seed, locate });
          const response = respond(c, answered);
          await trail.done(answered, response, seed);
          return response;
        } catch (error) {
          throw locateError(error, locate);
        }
      };
      const sent = spec.raw_body === undefined ? body : verifyDigest(c);
      if (spec.method !== "post") return answer(newSeed());
      const keyed = { principal, body: sent, sensitive: spec.sensitive ?? false };
      return withIdempotency(c, keyed, answer);
    });
  });
}

/** Who calls, with the request that it calls by. */
async function authenticated(c: AppContext): Promise<Principal> {
  const trace = readTrace(c.get("requestId"), (name) => c.req.header(name));
  return { ...(await authenticate(c)), trace };
}

/** Declares an endpoint that anyone may call: no credentials, no rate limit, no idempotency. */
export function publicEndpoint<
  const Responses extends ResponseSpecs,
  const A extends Answer<Responses>,
  Shape extends InputShape = InputShape,
>(
  router: Router,
  spec: EndpointSpec<Shape, Responses>,
  handler: (c: AppContext, input: z.output<z.ZodObject<Shape>>) => Promise<A> | A,
): void {
  const parse = compileInput(spec);
  describeEndpoint(router, spec, { kind: "anyone" });
  router.on([spec.method], [honoPath(spec.path)], async (c) => {
    enter(c);
    const { input } = await parse(c);
    return respond(c, await handler(c, input));
  });
}

/** What opens an endpoint that API keys do not open. */
export interface Guard<Caller> {
  readonly access: Extract<Access, { kind: "credential" }>;
  /** Says who calls; throws `unauthenticated`, `forbidden` or `rate_limited`. */
  admit(c: AppContext): Promise<Caller>;
}

/** Declares an endpoint behind a guard of its own: no scopes, no idempotency keys. */
export function guardedEndpoint<
  const Responses extends ResponseSpecs,
  const A extends Answer<Responses>,
  Caller,
  Shape extends InputShape = InputShape,
>(
  router: Router,
  spec: EndpointSpec<Shape, Responses>,
  guard: Guard<Caller>,
  handler: (
    c: AppContext,
    input: z.output<z.ZodObject<Shape>> & { readonly caller: Caller },
  ) => Promise<A> | A,
): void {
  const parse = compileInput(spec);
  describeEndpoint(router, spec, guard.access);
  router.on([spec.method], [honoPath(spec.path)], (c) => {
    enter(c);
    return followed(c, { audited: false, ...spec }, async (trail) => {
      const caller = await guard.admit(c);
      const { input, body } = await parse(c);
      await trail.begin(body);
      const answered = await handler(c, { ...input, caller });
      const response = respond(c, answered);
      await trail.done(answered, response, newSeed());
      return response;
    });
  });
}

/** Paths as the document writes them, by the router's notation. */
const patterns = new Map<string, string>();

/** Names the route for logs and metrics. */
function enter(c: AppContext): void {
  const path = routePath(c);
  const known = patterns.get(path) ?? path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, "{$1}");
  patterns.set(path, known);
  c.set("route", known);
}

/** A parameter whose name ends in `_path` takes the rest of the path, slashes and line breaks included. */
function honoPath(path: string): string {
  return path.replaceAll(/{(\w+)}/g, (_, name: string) =>
    name.endsWith("_path") ? `:${name}{[\\s\\S]+}` : `:${name}`,
  );
}
