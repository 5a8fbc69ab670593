/** The declaration of an endpoint: what it takes, what it answers, what its OpenAPI entry says. */
import type { z } from "@hono/zod-openapi";
import type { StatusCode } from "hono/utils/http-status";
import type { ErrorCode } from "./errors.ts";
import type { InputShape } from "./input.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** One documented response. With `schema` it is JSON; `content` names any other media type. */
export interface ResponseSpec {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly content?: Readonly<Record<string, z.ZodType>>;
  /** Response headers, by name, with what each says. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type ResponseSpecs = Readonly<Partial<Record<StatusCode, ResponseSpec>>>;

export interface EndpointSpec<Shape extends InputShape, Responses extends ResponseSpecs> {
  readonly method: Method;
  /** Relative to the mount point, parameters in braces: `/tasks/{task_id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  /** Schemas of `params`, `query`, `headers` and `body`; unknown members of the objects are refused. */
  readonly request?: Shape;
  /** What the document says of the body, where the service itself checks more than its schema. */
  readonly body_document?: z.ZodType;
  /** The media type of a body that the handler passes on unread. */
  readonly raw_body?: string;
  /** Accepts the body as `application/yaml` too. */
  readonly yaml?: boolean;
  /** The answer shows a secret once: it is not kept for a repeated Idempotency-Key. */
  readonly sensitive?: boolean;
  /** The body holds a secret: the audit log leaves it out. */
  readonly private_body?: boolean;
  /** Whether calls are written down in the audit log, where it does not follow from method and scope. */
  readonly audited?: boolean;
  /** Overrides MAX_BODY_BYTES downwards. */
  readonly max_body_bytes?: number;
  readonly responses: Responses;
  /** Errors beyond those that follow from the rest of the declaration. */
  readonly errors?: readonly ErrorCode[];
}
