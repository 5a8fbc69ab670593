/** Writes an endpoint's entry in the OpenAPI document, with every error that it can answer. */
import type { z } from "@hono/zod-openapi";
import type { Scope } from "../security/principal.ts";
import { type Audited, changesSomething } from "./audit-record.ts";
import type { Router } from "./context.ts";
import type { EndpointSpec, Method, ResponseSpec, ResponseSpecs } from "./endpoint-spec.ts";
import { ERROR_CODES, type ErrorCode } from "./errors.ts";
import type { InputShape } from "./input.ts";
import { PROBLEM_TYPE, problemSchema } from "./problem.ts";

/** Who may call an endpoint. */
export type Access =
  | { readonly kind: "anyone" }
  /** Callers of the API, by key or token. */
  | { readonly kind: "scope"; readonly scope: Scope }
  /** Whoever has something else to show: a scheme of its own, or a credential in the body (null). */
  | {
      readonly kind: "credential";
      readonly scheme: "runnerSignature" | null;
      /** What it is, for people. */
      readonly credential: string;
    };

/** The security schemes that callers of the API use. */
const SECURITY_SCHEMES = ["bearer", "apiKey"] as const;

const SECURED_ERRORS: readonly ErrorCode[] = [
  "unauthenticated",
  "forbidden",
  "rate_limited",
  "misconfigured",
];
const BODY_ERRORS: readonly ErrorCode[] = [
  "bad_request",
  "payload_too_large",
  "unsupported_media_type",
];
const IDEMPOTENCY_ERRORS: readonly ErrorCode[] = [
  "idempotency_in_progress",
  "idempotency_mismatch",
];
const METHODS_WITH_KEY: ReadonlySet<Method> = new Set(["post"]);

const IDEMPOTENCY_KEY_PARAMETER = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "1 to 255 visible ASCII characters. The same key with the same request is answered with the first response; with another request it is refused.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
} as const;

const CONTENT_DIGEST_PARAMETER = {
  name: "Content-Digest",
  in: "header",
  required: false,
  description:
    "`sha-256=:…:` with the SHA-256 of the body in base64 (RFC 9530). The body is verified by it; an Idempotency-Key needs it.",
  schema: { type: "string" },
} as const;

/** Registers the endpoint. */
export function describeEndpoint<Shape extends InputShape, Responses extends ResponseSpecs>(
  router: Router,
  spec: EndpointSpec<Shape, Responses>,
  access: Access,
): void {
  const { params, query, headers, body } = spec.request ?? {};
  const keyed = access.kind === "scope" && METHODS_WITH_KEY.has(spec.method);
  router.openAPIRegistry.registerPath({
    method: spec.method,
    path: spec.path,
    operationId: spec.operationId,
    tags: [...spec.tags],
    summary: spec.summary,
    description: describe(spec.description, access),
    security: schemesOf(access).map((scheme) => ({ [scheme]: [] })),
    ...(access.kind === "scope" ? { "x-required-scope": access.scope } : {}),
    ...(access.kind === "credential" ? { "x-credential": access.credential } : {}),
    ...(isAudited(spec, access) ? { "x-audited": true } : {}),
    parameters: [
      ...(keyed ? [IDEMPOTENCY_KEY_PARAMETER] : []),
      ...(access.kind === "scope" && spec.raw_body ? [CONTENT_DIGEST_PARAMETER] : []),
    ],
    request: {
      ...(params ? { params } : {}),
      ...(query ? { query } : {}),
      ...(headers ? { headers } : {}),
      ...(body ? { body: bodyOf(spec.body_document ?? body, spec.yaml ?? false) } : {}),
      ...(spec.raw_body ? { body: rawBodyOf(spec.raw_body, spec.body_document) } : {}),
    },
    responses: { ...successes(spec.responses), ...problems(errorsOf(spec, access, keyed)) },
  });
}

function isAudited({ method, audited }: Audited, access: Access): boolean {
  if (access.kind !== "scope") return audited ?? false;
  return changesSomething({
    method,
    scope: access.scope,
    ...(audited !== undefined && { audited }),
  });
}

function schemesOf(access: Access): readonly string[] {
  if (access.kind === "scope") return SECURITY_SCHEMES;
  return access.kind === "credential" && access.scheme !== null ? [access.scheme] : [];
}

function describe(text: string | undefined, access: Access): string {
  const told =
    access.kind === "scope"
      ? `Needs the scope \`${access.scope}\`.`
      : access.kind === "credential"
        ? `Needs ${access.credential}; API keys do not open it.`
        : "Needs no credentials.";
  return text === undefined ? told : `${text}\n\n${told}`;
}

function bodyOf(schema: z.ZodType, yaml: boolean) {
  return {
    required: !schema.safeParse(undefined).success,
    content: {
      "application/json": { schema },
      ...(yaml ? { "application/yaml": { schema } } : {}),
    },
  };
}

function rawBodyOf(mediaType: string, document: z.ZodType | undefined) {
  const schema = document ?? { type: "string" as const, format: "binary" };
  return { required: true, content: { [mediaType]: { schema } } };
}

function successes(responses: ResponseSpecs) {
  const entries: Record<string, ReturnType<typeof success>> = {};
  for (const [status, response] of Object.entries(responses)) entries[status] = success(response);
  return entries;
}

function success(response: ResponseSpec) {
  const content: Record<string, { schema: z.ZodType }> = {};
  if (response.schema) content["application/json"] = { schema: response.schema };
  for (const [type, schema] of Object.entries(response.content ?? {})) content[type] = { schema };
  const headers: Record<string, { description: string; schema: { type: "string" } }> = {};
  for (const [name, description] of Object.entries(response.headers ?? {})) {
    headers[name] = { description, schema: { type: "string" } };
  }
  return {
    description: response.description,
    ...(Object.keys(content).length > 0 ? { content } : {}),
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
  };
}

function errorsOf<Shape extends InputShape, Responses extends ResponseSpecs>(
  spec: EndpointSpec<Shape, Responses>,
  access: Access,
  keyed: boolean,
): ReadonlySet<ErrorCode> {
  const codes = new Set<ErrorCode>(["internal", ...(spec.errors ?? [])]);
  if (access.kind !== "anyone") for (const code of SECURED_ERRORS) codes.add(code);
  if (spec.request?.body) for (const code of BODY_ERRORS) codes.add(code);
  if (spec.request || spec.raw_body) codes.add("validation_failed");
  if (spec.request?.params) codes.add("not_found");
  if (keyed) for (const code of IDEMPOTENCY_ERRORS) codes.add(code);
  return codes;
}

function problems(codes: ReadonlySet<ErrorCode>) {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = ERROR_CODES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const entries: Record<string, object> = {};
  for (const [status, group] of [...byStatus].sort(([left], [right]) => left - right)) {
    entries[status] = {
      description: group.map((code) => `\`${code}\`: ${ERROR_CODES[code].title}.`).join(" "),
      content: { [PROBLEM_TYPE]: { schema: problemSchema } },
    };
  }
  return entries;
}
