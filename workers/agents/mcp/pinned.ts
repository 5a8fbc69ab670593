/** What a session keeps of an MCP server: how to reach it, and its tools as they were listed. */
import { z } from "zod";
import { jsonSchemaProblem } from "../../executors/outputs-schema.ts";
import { ApiError } from "../../http/errors.ts";
import { canonicalJson, findUnsafeJson, type Json } from "../../http/json.ts";
import { contentDigest } from "../../security/hash.ts";
import { toolNameOf } from "./names.ts";
import type { McpServer } from "./spec.ts";

const MAX_TOOL_NAME_CHARS = 200;
const MAX_DESCRIPTION_CHARS = 8_192;
const MAX_SCHEMA_CHARS = 64 * 1024;
/** Of names in an error. */
const MAX_SHOWN = 20;

/** Of arguments, and of the schema that they have. */
export const jsonObject = z.record(z.string(), z.json());

const toolSchema = z.object({
  /** As the model calls it. */
  name: z.string(),
  /** As the server calls it. */
  tool: z.string(),
  description: z.string(),
  inputs: jsonObject,
  recovery: z.enum(["rerun", "report", "ask"]),
  is_parallel: z.boolean(),
  digest: z.string(),
});
export type McpTool = z.output<typeof toolSchema>;

/** What it takes to reach a server. */
const endpointSchema = z.object({
  name: z.string(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  timeout_seconds: z.number(),
});
export type McpEndpoint = z.output<typeof endpointSchema>;

export const pinnedServerSchema = endpointSchema.extend({ tools: z.array(toolSchema) });
export type PinnedServer = z.output<typeof pinnedServerSchema>;

/** A tool as a server lists it. */
export interface ListedTool {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema: unknown;
  readonly annotations?:
    | {
        readonly title?: string | undefined;
        readonly readOnlyHint?: boolean | undefined;
        readonly idempotentHint?: boolean | undefined;
      }
    | undefined;
}

/** Throws `validation_failed` with every tool that cannot be offered as it is listed. */
export function pinnedServer(server: McpServer, listed: readonly ListedTool[]): PinnedServer {
  const { name, url, headers, timeout_seconds } = server;
  const wanted = listed.filter((tool) => server.tools?.includes(tool.name) ?? true);
  const problems = [...missing(server, listed), ...wanted.flatMap((tool) => problemsOf(tool))];
  const tools = problems.length > 0 ? [] : wanted.map((tool) => pinnedTool(server, tool));
  for (const [index, tool] of tools.entries()) {
    if (tools.findIndex((other) => other.name === tool.name) === index) continue;
    problems.push(`It lists two tools that would be called "${tool.name}".`);
  }
  if (problems.length > 0) {
    const more = problems.length - MAX_SHOWN;
    const shown = [...problems.slice(0, MAX_SHOWN), ...(more > 0 ? [`And ${more} more.`] : [])];
    throw new ApiError(
      "validation_failed",
      `${shown.join(" ")} To go without, name the others in the server's tools.`,
    );
  }
  return { name, url, headers, timeout_seconds, tools };
}

function missing({ tools }: McpServer, listed: readonly ListedTool[]): string[] {
  const names = listed.map(({ name }) => quoted(name));
  const list = names.slice(0, MAX_SHOWN).join(", ");
  const there =
    names.length === 0
      ? "It has none."
      : `It has: ${list}${names.length > MAX_SHOWN ? ", …" : ""}.`;
  return (tools ?? [])
    .filter((wanted) => listed.every(({ name }) => name !== wanted))
    .map((wanted) => `It has no tool ${quoted(wanted)}. ${there}`);
}

function problemsOf({ name, inputSchema }: ListedTool): string[] {
  const problem = nameProblem(name) ?? schemaProblem(inputSchema);
  return problem === null ? [] : [`Its tool ${quoted(name)} cannot be offered: ${problem}.`];
}

function nameProblem(name: string): string | null {
  if (name === "") return "it has no name";
  if (name.length > MAX_TOOL_NAME_CHARS) {
    return `its name is longer than ${MAX_TOOL_NAME_CHARS} characters`;
  }
  return name.isWellFormed() ? null : "its name is no text";
}

/** A model's provider would refuse every step with a schema that is none. */
function schemaProblem(inputSchema: unknown): string | null {
  if (!isObjectSchema.safeParse(inputSchema).success) {
    return 'its input schema has no type "object"';
  }
  const [unsafe] = findUnsafeJson(inputSchema);
  if (unsafe !== undefined) return `its input schema cannot be kept: ${clause(unsafe.message)}`;
  const size = JSON.stringify(inputSchema).length;
  if (size > MAX_SCHEMA_CHARS) {
    return `its input schema has ${size} characters, more than ${MAX_SCHEMA_CHARS}`;
  }
  const schema: Json = z.json().parse(inputSchema);
  return jsonSchemaProblem(schema, "inputSchema");
}

function pinnedTool(server: McpServer, listed: ListedTool): McpTool {
  const { name: tool, inputSchema, annotations } = listed;
  const inputs = jsonObject.parse(inputSchema);
  const title = listed.title ?? annotations?.title ?? tool;
  const description = shortened((listed.description ?? title).toWellFormed());
  const reads = annotations?.readOnlyHint === true;
  const repeats = reads || annotations?.idempotentHint === true;
  const definition = canonicalJson({ tool, description, inputs, reads, repeats });
  return {
    name: toolNameOf(server.name, tool),
    tool,
    description,
    inputs,
    recovery: server.recovery ?? (repeats ? "rerun" : "report"),
    is_parallel: reads,
    digest: `sha256:${contentDigest(Buffer.from(definition))}`,
  };
}

function shortened(text: string): string {
  if (text.length <= MAX_DESCRIPTION_CHARS) return text;
  return `${text.slice(0, MAX_DESCRIPTION_CHARS).toWellFormed()}…`;
}

const isObjectSchema = z.looseObject({ type: z.literal("object") });
const quoted = (name: string) => JSON.stringify(name.slice(0, 100));
const clause = (sentence: string) => sentence.replace(/\.$/, "");
