/** MCP servers of others, as a session names them whose tools it is to have. */
import { z } from "@hono/zod-openapi";
import { slugSchema } from "../../skills/slug.ts";
import { secretOf } from "../../tasks/rules.ts";

const MAX_SERVERS = 10;
const MAX_HEADERS = 20;
const MAX_NAME_CHARS = 32;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const LINE_BREAK = /[\r\n\0]/;
/** What HTTP and the protocol set themselves. */
const OWN_HEADERS =
  /^(accept|connection|content-.*|cookie2?|host|keep-alive|last-event-id|mcp-.*|te|trailer|transfer-encoding|upgrade)$/i;

/** How calls are dealt with whose process dies; an outside server cannot be asked after one. */
const RECOVERIES = ["rerun", "report", "ask"] as const;

const headersSchema = z
  .record(z.string().min(1).max(200), z.string().max(8_192))
  .superRefine((headers, context) => {
    const names = Object.keys(headers);
    const refuse = (message: string, path: string[] = []) =>
      context.addIssue({ code: "custom", message, path });
    if (names.length > MAX_HEADERS) refuse(`No more than ${MAX_HEADERS} headers are sent.`);
    if (new Set(names.map((name) => name.toLowerCase())).size < names.length) {
      refuse("Header names differ by more than case.");
    }
    for (const [name, value] of Object.entries(headers)) {
      const problem = headerProblem(name, value);
      if (problem !== null) refuse(problem, [name]);
    }
  });

export const mcpServerSchema = z
  .strictObject({
    name: slugSchema.max(MAX_NAME_CHARS).openapi({
      description: "Its tools are called `name__tool`.",
      example: "issues",
    }),
    url: z
      .url({ protocol: /^https?$/ })
      .max(2_048)
      .refine((url) => !url.includes("${{"), "An address is written out, without expressions.")
      .openapi({
        description: "Of its endpoint of streamable HTTP.",
        example: "https://mcp.example.com/mcp",
      }),
    headers: headersSchema.default({}).openapi({
      description: "Sent with every request: a text, or `${{ secrets.NAME }}` as the whole value.",
    }),
    tools: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(100)
      .nullable()
      .default(null)
      .openapi({ description: "Those to offer, by the server's own names; all unless said." }),
    recovery: z.enum(RECOVERIES).nullable().default(null).openapi({
      description:
        "What becomes of a call whose process dies. Unless said, what the server calls read-only or idempotent is `rerun`, and anything else `report`ed as not known.",
    }),
    timeout_seconds: z.number().min(1).max(600).default(60).openapi({
      description: "Of one call.",
    }),
  })
  .openapi("McpServer");
export type McpServer = z.output<typeof mcpServerSchema>;

export const mcpServersSchema = z
  .array(mcpServerSchema)
  .max(MAX_SERVERS)
  .superRefine((servers, context) => {
    for (const [index, { name }] of servers.entries()) {
      if (servers.findIndex((other) => other.name === name) === index) continue;
      const message = `A server is named "${name}" already. Give each a name of its own.`;
      context.addIssue({ code: "custom", message, path: [index, "name"] });
    }
  });

/** Whether a header is a secret's value. */
export function usesSecrets({ headers }: Pick<McpServer, "headers">): boolean {
  return Object.values(headers).some((value) => secretOf(value) !== null);
}

function headerProblem(name: string, value: string): string | null {
  if (!HEADER_NAME.test(name)) return "The name is none of a header.";
  if (OWN_HEADERS.test(name)) return "This header is set by the protocol itself. Leave it out.";
  if (LINE_BREAK.test(value)) return "A header is one line.";
  if (value.includes("${{") && secretOf(value) === null) {
    return "An expression must be the whole value and name a secret: ${{ secrets.NAME }}. Store words such as Bearer with the secret.";
  }
  return null;
}
