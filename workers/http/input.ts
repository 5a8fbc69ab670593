/** Validates path, query, headers and body of a request together, so that one answer lists every problem. */
import { z } from "@hono/zod-openapi";
import { type BodyOptions, readBody } from "./body.ts";
import type { AppContext } from "./context.ts";
import { ApiError } from "./errors.ts";
import { toIssues } from "./issues.ts";
import { inOurWords } from "./wording.ts";
import { type Locate, locateIssues } from "./yaml.ts";

export type InputShape = {
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
};

export interface InputSpec<Shape extends InputShape> {
  readonly path: string;
  readonly request?: Shape;
  readonly yaml?: boolean;
  readonly max_body_bytes?: number;
}

export interface ParsedInput<Shape extends InputShape> {
  readonly input: z.output<z.ZodObject<Shape>>;
  /** The body as it was sent, before defaults and transforms. */
  readonly body: unknown;
  /** Finds places in a body of YAML; null for any other body. */
  readonly locate: Locate | null;
}

const PREFIXES = { params: "path", query: "query", headers: "headers", body: "" } as const;

/** Prepares an endpoint's parser; throws at startup when its declaration is not usable. */
export function compileInput<Shape extends InputShape>(
  spec: InputSpec<Shape>,
): (c: AppContext) => Promise<ParsedInput<Shape>> {
  const { params, query, headers, body } = spec.request ?? {};
  checkDeclaration(spec.path, spec.request ?? {});
  const schema = z.object(spec.request);
  const headerNames = headers ? Object.keys(headers.shape) : [];
  return async (c) => {
    const parts: Record<string, unknown> = {};
    if (params) parts.params = c.req.param();
    if (query) parts.query = readQuery(c);
    if (headers) parts.headers = readHeaders(c, headerNames);
    const sent = body ? await readBody(c.req.raw, bodyOptions(spec, c)) : null;
    if (sent) parts.body = sent.value;
    const locate = sent?.locate ?? null;
    const outcome = schema.safeParse(parts, { error: inOurWords });
    if (!outcome.success) {
      throw new ApiError("validation_failed", "The request is not valid; correct what is listed.", {
        issues: locateIssues(toIssues(outcome.error, PREFIXES), locate),
      });
    }
    return { input: outcome.data, body: sent?.value, locate };
  };
}

function bodyOptions(spec: InputSpec<InputShape>, c: AppContext): BodyOptions {
  return {
    max_bytes: Math.min(c.get("config").MAX_BODY_BYTES, spec.max_body_bytes ?? Infinity),
    yaml: spec.yaml ?? false,
  };
}

/** The query as zod expects it: a repeated parameter is an array. Undeclared ones are refused. */
function readQuery(c: AppContext): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    const [first] = values;
    query[name] = values.length === 1 && first !== undefined ? first : values;
  }
  return query;
}

function readHeaders(c: AppContext, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = c.req.header(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function checkDeclaration(path: string, request: InputShape): void {
  const inPath = [...path.matchAll(/{(\w+)}/g)].map((match) => match[1]);
  const declared = request.params ? Object.keys(request.params.shape) : [];
  if ([...inPath].sort().join() !== [...declared].sort().join()) {
    throw new Error(`${path}: the path's parameters and the schema of params differ.`);
  }
  for (const part of [request.query, request.body]) {
    if (part instanceof z.ZodObject && !(part.def.catchall instanceof z.ZodType)) {
      throw new Error(`${path}: query and body must be strict or say what else they hold.`);
    }
  }
}
