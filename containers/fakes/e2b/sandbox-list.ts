/** Lists of sandboxes: filters, order and pages. */
import { z } from "zod";
import { type Exchange, HttpError } from "./exchange.ts";
import type { Sandbox } from "./sandbox.ts";
import { describeListed } from "./sandbox-descriptions.ts";
import { templateId } from "./sandboxes.ts";

const MAX_PAGE = 100;

const querySchema = z.object({
  state: z
    .string()
    .default("running,paused")
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(["running", "paused"]))),
  order: z.enum(["asc", "desc"]).default("desc"),
  limit: z.coerce.number().int().min(1).default(MAX_PAGE),
  startedAfter: z.iso.datetime({ offset: true }).optional(),
  template: z.string().optional(),
  metadata: z.string().optional(),
  nextToken: z.string().optional(),
});
type Query = z.output<typeof querySchema>;

/** Where a page ends: the last sandbox's start and id. */
const cursorSchema = z.tuple([z.iso.datetime(), z.string().min(1)]);

function parseQuery(exchange: Exchange): Query {
  const outcome = querySchema.safeParse(Object.fromEntries(exchange.url.searchParams));
  if (outcome.success) return outcome.data;
  throw new HttpError(400, z.prettifyError(outcome.error));
}

/** Pairs `k=v`, encoded as a whole and once more each, so that any text can be in them. */
function parseMetadata(text: string): readonly (readonly [string, string])[] {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
      .split("&")
      .map((pair) => {
        const [key = "", value = "", ...rest] = pair.split("=").map(decodeURIComponent);
        if (key === "" || rest.length > 0) throw new Error(pair);
        return [key, value] as const;
      });
  } catch {
    throw new HttpError(400, "metadata holds no URL-encoded k=v pairs");
  }
}

function parseToken(token: string): readonly [string, string] {
  const parts = Buffer.from(token, "base64url").toString("utf8").split("__");
  const outcome = cursorSchema.safeParse(parts);
  if (outcome.success) return outcome.data;
  throw new HttpError(400, "nextToken is none that a list gave");
}

const startOf = (sandbox: Sandbox) => sandbox.startedAt.toISOString();

/** Newest first and, among equals, by id. */
function compare(a: readonly [string, string], b: readonly [string, string]): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? 1 : -1;
  return a[1] < b[1] ? -1 : Number(a[1] > b[1]);
}

function matches(sandbox: Sandbox, query: Query): boolean {
  const { template, startedAfter, metadata } = query;
  if (
    template !== undefined &&
    ![sandbox.spec.template, templateId(sandbox.spec.template)].includes(template)
  )
    return false;
  if (startedAfter !== undefined && sandbox.startedAt < new Date(startedAfter)) return false;
  if (metadata === undefined) return true;
  return parseMetadata(metadata).every(([key, value]) => sandbox.spec.metadata[key] === value);
}

export function listSandboxes(exchange: Exchange, sandboxes: readonly Sandbox[]): void {
  const query = parseQuery(exchange);
  const direction = query.order === "asc" ? -1 : 1;
  const key = (sandbox: Sandbox) => [startOf(sandbox), sandbox.id] as const;
  const cursor = query.nextToken === undefined ? null : parseToken(query.nextToken);
  const found = sandboxes.filter((sandbox) => matches(sandbox, query));
  const running = found.filter(({ state }) => state === "running").length;
  const rest = found
    .filter(({ state }) => query.state.includes(state))
    .filter((sandbox) => cursor === null || direction * compare(key(sandbox), cursor) > 0)
    .sort((a, b) => direction * compare(key(a), key(b)));
  const page = rest.slice(0, Math.min(query.limit, MAX_PAGE));
  const last = page.at(-1);
  const more = last !== undefined && rest.length > page.length;
  exchange.json(200, page.map(describeListed), {
    ...(query.state.includes("running") && { "x-total-running": String(running) }),
    ...(more && { "x-next-token": Buffer.from(key(last).join("__")).toString("base64url") }),
  });
}

/** The older list: those that run, in one page. */
export function listRunning(exchange: Exchange, sandboxes: readonly Sandbox[]): void {
  const query = parseQuery(exchange);
  const running = sandboxes.filter(
    (sandbox) => sandbox.state === "running" && matches(sandbox, query),
  );
  exchange.json(200, running.reverse().map(describeListed));
}
