/** `tools/list` and `tools/call`: PIPELZR's operations, then the skills of the project. */
import type { CallToolResult, ListToolsResult } from "@modelcontextprotocol/server";
import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { toPage } from "../http/page.ts";
import { isReading } from "../security/principal.ts";
import { NOTHING, recorded, type Told } from "./audit.ts";
import type { Caller } from "./caller.ts";
import type { CallTerms, ToolOutcome } from "./operation.ts";
import { OPERATIONS } from "./operations/index.ts";
import { cursorPage } from "./paging.ts";
import { refusalResult } from "./results.ts";
import { callSkill, mayInvoke, SKILL_SCOPE, toTool } from "./skill-tools.ts";

/** Skills that are looked at for one page; those that the caller may not invoke are left out of it. */
const SKILLS_PER_PAGE = 100;

/** What the caller may call, in an order that only grows at its end. */
export async function listTools(
  caller: Caller,
  cursor: string | undefined,
): Promise<ListToolsResult> {
  const { principal } = caller;
  const own =
    cursor === undefined ? OPERATIONS.filter(({ scope }) => principal.scopes.has(scope)) : [];
  const tools = own.map(({ tool }) => tool);
  if (!principal.scopes.has(SKILL_SCOPE)) return { tools };
  const skills = await listSkillTools(caller, cursor);
  return { ...skills, tools: [...tools, ...skills.tools] };
}

async function listSkillTools(
  caller: Caller,
  cursor: string | undefined,
): Promise<ListToolsResult> {
  const { services, project_id, url } = caller;
  const page = cursorPage(caller, { limit: SKILLS_PER_PAGE, cursor });
  const rows = await services.skills.offers(project_id, page);
  const { items, next_cursor } = toPage(
    rows,
    page,
    url,
    (row) => row,
    (row) => row,
  ).body;
  return {
    tools: items.filter((skill) => mayInvoke(caller, skill)).map(toTool),
    ...(next_cursor !== null && { nextCursor: next_cursor }),
  };
}

/** Refusals are results that are errors, for the model to correct; throws for an unknown tool alone. */
export async function callTool(
  caller: Caller,
  name: string,
  sent: Record<string, unknown> | undefined,
  terms: CallTerms,
): Promise<ToolOutcome> {
  const operation = OPERATIONS.find(({ tool }) => tool.name === name);
  const call = async (): Promise<ToolOutcome | null> =>
    operation === undefined
      ? callSkill(caller, name, sent, terms)
      : operation.call(caller, sent ?? {}, terms);
  const scope = operation?.scope ?? SKILL_SCOPE;
  const written = { action: operation ? name : "invokeSkill", sent, changes: !isReading(scope) };
  const outcome = await recorded(caller, written, call, toldOf).catch((error: unknown) => {
    const result: CallToolResult = refusalResult(error, caller);
    return { kind: "result", result } as const;
  });
  if (outcome !== null) return outcome;
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `Unknown tool: ${name.slice(0, 200)}. tools/list names those there are.`,
  );
}

/** What the audit log tells of a call; null for a tool that there is not. */
function toldOf(outcome: ToolOutcome | null): Told | null {
  if (outcome === null) return null;
  if (outcome.kind === "going") {
    const { kind, id } = outcome.run;
    return { about: { entity_type: kind, entity_id: id } };
  }
  return { about: outcome.about ?? NOTHING, after: outcome.result.structuredContent };
}
