/** Pages of what is numbered, such as runs and steps: the cursor is the number to go on from. */

import { z } from "@hono/zod-openapi";
import { nextLink, pageQuery } from "./page.ts";

/** To be spread into a route's `z.strictObject`. */
export const sliceQuery = {
  limit: pageQuery.limit,
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, "Pass a `next_cursor` unchanged.")
    .transform(Number)
    .optional()
    .openapi({ type: "string", description: "`next_cursor` of the page before." }),
};

/** The envelope of a list, with what the next page goes on from; null on the last one. */
export function toSlice<Item>(url: string, items: Item[], next: number | string | null) {
  const next_cursor = next === null ? null : String(next);
  const headers: Record<string, string> =
    next_cursor === null ? {} : { Link: nextLink(url, next_cursor) };
  return { status: 200, body: { items, next_cursor }, headers } as const;
}

/** The indexes of a page, of those that are wanted. */
export function pageOfIndexes(
  count: number,
  wanted: (index: number) => boolean,
  { limit, cursor = 0 }: { readonly limit: number; readonly cursor?: number | undefined },
): { readonly indexes: readonly number[]; readonly next: number | null } {
  const indexes: number[] = [];
  for (let index = cursor; index < count; index += 1) {
    if (!wanted(index)) continue;
    if (indexes.length === limit) return { indexes, next: index };
    indexes.push(index);
  }
  return { indexes, next: null };
}
