/** Keyset paging: opaque cursors over `(created_at, id)`, filters that every list has, the envelope. */
import { z } from "@hono/zod-openapi";
import { ApiError } from "./errors.ts";

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 200;

/** Where a page starts: after the row with this age and id, in the list's order. */
export interface Position {
  /** ms since 1970. */
  readonly created_at: number;
  readonly id: string;
}

export interface Page {
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly after: Position | null;
  /** ms since 1970, exclusive; null for no bound. */
  readonly created_after: number | null;
  readonly created_before: number | null;
}

/** The newest, for who asks within the service. */
export const FIRST_PAGE: Page = {
  limit: DEFAULT_PAGE,
  order: "desc",
  after: null,
  created_after: null,
  created_before: null,
};

const moment = z.iso.datetime({ offset: true });

/** The query parameters of every list, to be spread into a route's `z.strictObject`. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, `Send a number from 1 to ${MAX_PAGE}.`)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_PAGE, `Send a number from 1 to ${MAX_PAGE}.`)
    .default(DEFAULT_PAGE)
    .openapi({ type: "integer", minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE }),
  cursor: z
    .string()
    .max(500)
    .optional()
    .openapi({ description: "`next_cursor` of the page before." }),
  order: z
    .enum(["asc", "desc"])
    .default("desc")
    .openapi({ description: "By age: `desc` is newest first." }),
  created_after: moment.optional().openapi({ format: "date-time" }),
  created_before: moment.optional().openapi({ format: "date-time" }),
};

const querySchema = z.object(pageQuery);

/**
 * Reads the paging parameters of a validated query of the list at `url`.
 * Throws `validation_failed` for a cursor that is not of this list and order.
 */
export function readPage(query: z.output<typeof querySchema>, url: string): Page {
  const { cursor, order } = query;
  return {
    limit: query.limit,
    order,
    after: cursor === undefined ? null : decodeCursor(cursor, listAt(url), order),
    created_after: query.created_after === undefined ? null : Date.parse(query.created_after),
    created_before: query.created_before === undefined ? null : Date.parse(query.created_before),
  };
}

/** Comma-separated values of one enum, such as `state=queued,running`. */
export function listFilter<const Values extends readonly [string, ...string[]]>(values: Values) {
  const member = z.enum(values);
  return z
    .string()
    .transform((text) => text.split(",").map((item) => item.trim()))
    .pipe(z.array(member).min(1).max(values.length))
    .openapi({
      type: "string",
      description: `One or more of ${values.join(", ")}, separated by commas.`,
    });
}

/**
 * Cuts a result of up to `limit + 1` rows into a page. `position` says where a row stands.
 * Returns the envelope's parts and the headers with `Link: rel="next"`.
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  page: Page,
  url: string,
  position: (row: Row) => Position,
  render: (row: Row) => Item,
): { body: { items: Item[]; next_cursor: string | null }; headers: Record<string, string> } {
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  const cursor = more ? encodeCursor(position(last), listAt(url), page.order) : null;
  return {
    body: { items: shown.map(render), next_cursor: cursor },
    headers: cursor === null ? {} : { Link: nextLink(url, cursor) },
  };
}

/** The same request, for the page that `cursor` begins. */
export function nextLink(url: string, cursor: string): string {
  const { pathname, searchParams } = new URL(url);
  searchParams.set("cursor", cursor);
  return `<${pathname}?${searchParams}>; rel="next"`;
}

/** A list is known by its path: positions of one mean nothing in another. */
function listAt(url: string): string {
  return new URL(url).pathname;
}

const cursorSchema = z.tuple([
  z.literal(2),
  z.string(),
  z.enum(["asc", "desc"]),
  z.int().min(0),
  z.string().min(1).max(200),
]);

/** `list` is the path of the list. */
export function encodeCursor(position: Position, list: string, order: Page["order"]): string {
  return toBase64Url(JSON.stringify([2, list, order, position.created_at, position.id]));
}

function decodeCursor(cursor: string, list: string, order: Page["order"]): Position {
  const decoded = cursorSchema.safeParse(parse(cursor));
  if (!decoded.success) throw foreignCursor();
  const [, itsList, itsOrder, created_at, id] = decoded.data;
  if (encodeCursor({ created_at, id }, itsList, itsOrder) !== cursor) throw foreignCursor();
  if (itsList !== list) {
    throw cursorError("It belongs to another list; pass a `next_cursor` of this one.");
  }
  if (itsOrder !== order) {
    throw cursorError(`It belongs to a list in the order "${itsOrder}"; keep the order.`);
  }
  return { created_at, id };
}

function foreignCursor(): ApiError {
  return cursorError("It is not a cursor of this service; pass a `next_cursor` unchanged.");
}

function cursorError(message: string): ApiError {
  return new ApiError("validation_failed", "The cursor is not valid.", {
    issues: [{ path: "query.cursor", message }],
  });
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    return null;
  }
}

function toBase64Url(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}

/**
 * The SQL of a page: conditions on `created_at` and `id`, their parameters, and the rest of the
 * statement. Select with the feature's own conditions, then these.
 */
export function pageSql(page: Page): {
  where: string[];
  parameters: (string | number)[];
  tail: string;
} {
  const where: string[] = [];
  const parameters: (string | number)[] = [];
  if (page.after !== null) {
    where.push(`(created_at, id) ${page.order === "desc" ? "<" : ">"} (?, ?)`);
    parameters.push(page.after.created_at, page.after.id);
  }
  if (page.created_after !== null) {
    where.push("created_at > ?");
    parameters.push(page.created_after);
  }
  if (page.created_before !== null) {
    where.push("created_at < ?");
    parameters.push(page.created_before);
  }
  const direction = page.order === "desc" ? "DESC" : "ASC";
  return {
    where,
    parameters,
    tail: `ORDER BY created_at ${direction}, id ${direction} LIMIT ${page.limit + 1}`,
  };
}
