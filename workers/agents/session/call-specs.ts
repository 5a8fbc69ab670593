/** What the machine has to know of the calls that a model asks for. */
import { valueIssues } from "../../executors/outputs-schema.ts";
import { canonicalJson, type Json } from "../../http/json.ts";
import { sha256 } from "../../security/hash.ts";
import type { CallSpec } from "../machine/call-types.ts";
import { serverPattern } from "../mcp/names.ts";
import type { ToolCallPart } from "../models/messages.ts";
import type { AgentSpec } from "../spec.ts";
import type { ToolDefinition } from "../tool-port.ts";

const ANY_OBJECT = { type: "object" };

export interface JudgedCall {
  readonly spec: CallSpec;
  readonly input: Json;
  /** Why it is `invalid`; null when it is not. */
  readonly problem: string | null;
}

export function callSpecs(
  calls: readonly ToolCallPart[],
  definitions: readonly ToolDefinition[],
  { tool_policies }: Pick<AgentSpec, "tool_policies">,
): JudgedCall[] {
  const known = new Map(definitions.map((definition) => [definition.name, definition]));
  return calls.map(({ id, name, input }) => {
    const definition = known.get(name);
    const problem = problemOf(definition, name, input, [...known.keys()]);
    return {
      spec: {
        id,
        name,
        policy: problem === null ? policyOf(tool_policies, name) : "invalid",
        kind: definition?.kind ?? "tool",
        recovery: definition?.recovery ?? "report",
        is_parallel: definition?.is_parallel ?? false,
        digest: inputDigest(input),
      },
      input,
      problem,
    };
  });
}

/** The most particular one. */
function policyOf(policies: AgentSpec["tool_policies"], name: string) {
  const server = serverPattern(name);
  return (
    policies[name] ?? (server === null ? undefined : policies[server]) ?? policies["*"] ?? "allow"
  );
}

/** Of an input: what is approved is what was seen. */
export function inputDigest(input: Json): string {
  return sha256(canonicalJson(input));
}

/** Null for an input that the tool takes. */
export function problemOf(
  definition: ToolDefinition | undefined,
  name: string,
  input: Json,
  known: readonly string[],
): string | null {
  if (definition === undefined) {
    const list = known.length === 0 ? "There are none here." : `There are: ${known.join(", ")}.`;
    return `There is no tool "${name}". ${list}`;
  }
  const schema = definition.is_input_checked_elsewhere ? ANY_OBJECT : definition.input_schema;
  const issues = valueIssues(schema, input, "input");
  if (issues.length === 0) return null;
  return `The input is not as the tool's schema says. ${issues.map(({ path, message }) => `${path}: ${message}`).join(" ")}`;
}
