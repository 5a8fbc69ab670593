/** Schemas that every feature's routes share. */
import { z } from "@hono/zod-openapi";
import { PROJECT_ID_PATTERN } from "./patterns.ts";

export const projectIdSchema = z
  .string()
  .regex(
    PROJECT_ID_PATTERN,
    "A project id is 1 to 128 letters, digits, dots, dashes and underscores, and starts with a letter or digit.",
  )
  .openapi({ example: "default" });

/** An id in a path. Anything is looked up: what is no id of ours does not exist. */
export const idSchema = z.string().min(1).max(200);

/** A moment on the wire: ISO-8601 in UTC with `Z`. */
export const timestampSchema = z.iso
  .datetime()
  .openapi({ example: "2026-11-20T09:30:00.000Z", format: "date-time" });

/** Renders ms since 1970 as the wire's ISO-8601. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}

export function timestampOrNull(ms: number | null): string | null {
  return ms === null ? null : timestamp(ms);
}

/**
 * Any JSON value. What the body reader let through is JSON already, so that nothing is walked again;
 * the OpenAPI generator cannot follow the recursion of `z.json()`.
 */
export const jsonSchema = z
  .custom<z.core.util.JSONType>((value) => value !== undefined)
  .openapi({ type: ["object", "array", "string", "number", "boolean", "null"] });

/** A schema with a name of its own, or null: the document's generator drops the null of `nullable()`. */
export function orNull<Schema extends z.ZodType>(schema: Schema) {
  return z.union([schema, z.null()]);
}

/** The envelope of every list. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    next_cursor: z
      .string()
      .nullable()
      .openapi({ description: "Pass it as `cursor` for the next page; null on the last one." }),
  });
}
