/** Instructions of skills as prompts, which clients offer to people as commands. */
import type { GetPromptResult, ListPromptsResult, McpServer } from "@modelcontextprotocol/server";
import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { z } from "zod";
import { ApiError } from "../http/errors.ts";
import { toPage } from "../http/page.ts";
import type { JsonObject } from "../skills/invocation-document.ts";
import type { SkillGuide } from "../skills/offers.ts";
import { isSkillId, isSlug } from "../skills/slug.ts";
import type { Caller } from "./caller.ts";
import { cursorPage } from "./paging.ts";

const PROMPTS_PER_PAGE = 100;

/** What of a JSON Schema says which arguments there are. */
const argumentsSchema = z.object({
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
});
const describedSchema = z.object({ description: z.string() });

export function servePrompts({ server }: McpServer, caller: Caller): void {
  server.registerCapabilities({ prompts: {} });
  server.setRequestHandler("prompts/list", ({ params }) => listPrompts(caller, params?.cursor));
  server.setRequestHandler("prompts/get", ({ params }) =>
    getPrompt(caller, params.name, params.arguments ?? {}),
  );
}

async function listPrompts(caller: Caller, cursor: string | undefined): Promise<ListPromptsResult> {
  const { services, project_id, url } = caller;
  const page = cursorPage(caller, { limit: PROMPTS_PER_PAGE, cursor });
  const rows = await services.skills.guides(project_id, page);
  const { items, next_cursor } = toPage(rows, page, url, (row) => row, toPrompt).body;
  return { prompts: items, ...(next_cursor !== null && { nextCursor: next_cursor }) };
}

function toPrompt({ slug, name, description, inputs }: SkillGuide) {
  return {
    ...{ name: slug, title: name, description: description ?? name },
    arguments: argumentsOf(inputs),
  };
}

/** The inputs of the skill, which are texts here. */
function argumentsOf(inputs: JsonObject | null) {
  const { properties, required } = argumentsSchema.safeParse(inputs).data ?? NO_ARGUMENTS;
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    ...describedSchema.safeParse(schema).data,
    required: required.includes(name),
  }));
}

const NO_ARGUMENTS = argumentsSchema.parse({});

async function getPrompt(
  caller: Caller,
  name: string,
  given: Readonly<Record<string, string>>,
): Promise<GetPromptResult> {
  const { content, enabled } = (await find(caller, name)) ?? { content: null, enabled: false };
  if (content === null || content.instructions === null || !enabled) {
    const message = `Unknown prompt: ${name.slice(0, 200)}. prompts/list names those there are.`;
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, message);
  }
  const missing = argumentsOf(content.inputs).filter(
    ({ name, required }) => required && !Object.hasOwn(given, name),
  );
  if (missing.length > 0) {
    const names = missing.map((each) => each.name).join(", ");
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `It lacks arguments: ${names}.`);
  }
  const listed = Object.entries(given).map(([name, value]) => `- ${name}: ${value}`);
  const inputs = listed.length === 0 ? "" : `\n\nInputs:\n${listed.join("\n")}`;
  return {
    ...(content.description !== null && { description: content.description }),
    messages: [
      { role: "user", content: { type: "text", text: `${content.instructions}${inputs}` } },
    ],
  };
}

async function find({ principal, project_id, services }: Caller, slug: string) {
  if (!isSlug(slug) || isSkillId(slug)) return null;
  return services.skills
    .resolveFor(principal, { skill: slug, project_id }, { kind: "default" })
    .catch((error: unknown) => {
      if (error instanceof ApiError && error.code === "not_found") return null;
      throw error;
    });
}
