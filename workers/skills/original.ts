/**
 * The original service's form of a skill: `implementation` a text with `implementation_type` beside
 * it, `inputs` and `outputs` lists of fields, `dependencies`, `changelog`. It is read into ours.
 */
import type { z } from "zod";
import { canonicalHost } from "../security/outbound-hosts.ts";
import type { Implementation } from "./content.ts";

type Members = Readonly<Record<string, unknown>>;
type Context = z.core.$RefinementCtx<unknown>;

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of a creation. What is wrong with it is reported to `context`. */
export function readOriginal(sent: unknown, context: Context): unknown {
  if (!isObject(sent)) return sent;
  const {
    implementation_type: type,
    dependencies,
    changelog,
    ...rest
  } = withSchemas(sent, context);
  const read: Record<string, unknown> = { ...rest };
  const permissions: Record<string, unknown> = {};
  if (typeof rest.implementation === "string") {
    const implementation = implementationOf(rest.implementation, type ?? "python");
    if (implementation === null) report(context, ["implementation_type"], type, TYPES_MESSAGE);
    else Object.assign(permissions, permissionsOf(implementation));
    read.implementation = implementation;
  } else if (type !== undefined) {
    report(context, ["implementation_type"], type, WITHOUT_TEXT);
  }
  if (dependencies !== undefined) permissions.skills = dependencies;
  if (Object.keys(permissions).length > 0) read.permissions = rest.permissions ?? permissions;
  if (changelog !== undefined) read.note = rest.note ?? noteOf(changelog);
  return read;
}

/** Of a change, which has the members that the original can change. */
export function readOriginalChange(sent: unknown, context: Context): unknown {
  return isObject(sent) ? withSchemas(sent, context) : sent;
}

/** The implementation with another text; null where one text does not say it. */
export function withText(
  implementation: Implementation | null,
  text: string,
): Implementation | null {
  if (implementation === null) return null;
  if ("script" in implementation) return { ...implementation, script: text };
  switch (implementation.type) {
    case "command":
      return { ...implementation, command: text };
    case "prompt":
      return { ...implementation, template: text };
    case "http":
      return { ...implementation, url: text };
    default:
      return null;
  }
}

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ...["javascript", "js", "node"].map((name) => [name, "javascript"] as const),
  ...["typescript", "ts"].map((name) => [name, "typescript"] as const),
  ...["bash", "shell", "sh"].map((name) => [name, "bash"] as const),
  ["python", "python"],
]);
const TYPES_MESSAGE =
  "Use one of: python, bash, javascript, typescript, command, prompt, api. Or give implementation as an object.";
const WITHOUT_TEXT =
  "It goes with an implementation that is a text; an object says its type itself.";
const PYTHON_EXECUTOR = "dagger";

/** As the wire has it, still to be checked. */
function implementationOf(text: string, type: unknown): Members | null {
  const name = typeof type === "string" ? type.toLowerCase() : "";
  const script = SCRIPTS.get(name);
  if (script !== undefined) return { type: script, script: text };
  if (name === "command") return { type: "command", command: text };
  if (name === "prompt" || name === "llm") return { type: "prompt", template: text };
  if (name !== "api" && name !== "http") return null;
  // The service that is called is given the inputs.
  return { type: "http", method: "POST", url: text, body: "${{ inputs }}" };
}

/** What it cannot do without, and the original did not ask for. */
function permissionsOf({ type, url }: Members): Members {
  if (type === "python") return { executors: [PYTHON_EXECUTOR] };
  const host = typeof url === "string" ? (URL.parse(url)?.host ?? null) : null;
  return host === null || canonicalHost(host.replace(/:\d+$/, "")) === null
    ? {}
    : { network: [host] };
}

function withSchemas(sent: Members, context: Context): Members {
  const read: Record<string, unknown> = { ...sent };
  for (const member of ["inputs", "outputs"]) {
    const value = sent[member];
    if (Array.isArray(value)) read[member] = schemaOf(value, member, context);
  }
  return read;
}

/** A JSON Schema type by each of the names that it went by; null takes anything. */
const FIELD_TYPES: ReadonlyMap<string, string | null> = new Map([
  ...["text", "string", "str"].map((name) => [name, "string"] as const),
  ...["int", "integer"].map((name) => [name, "integer"] as const),
  ...["number", "float"].map((name) => [name, "number"] as const),
  ...["bool", "boolean"].map((name) => [name, "boolean"] as const),
  ...["array", "list"].map((name) => [name, "array"] as const),
  ...["object", "dict"].map((name) => [name, "object"] as const),
  ...["json", "any"].map((name) => [name, null] as const),
]);

/** Null for a list without fields. What else a field says is kept as it is. */
function schemaOf(list: readonly unknown[], member: string, context: Context): Members | null {
  if (list.length === 0) return null;
  const properties = new Map<string, Members>();
  const required: string[] = [];
  for (const [index, sent] of list.entries()) {
    const field: unknown = typeof sent === "string" ? { name: sent } : sent;
    const { name, type, required: isRequired, ...rest } = isObject(field) ? field : {};
    const at = [member, index];
    if (typeof name !== "string" || name === "") {
      report(
        context,
        [...at, "name"],
        name,
        "A field is an object with a name, such as {name, type}.",
      );
      continue;
    }
    if (properties.has(name)) report(context, [...at, "name"], name, "The name was given before.");
    const known = type === undefined || type === null ? null : fieldType(type);
    if (known === undefined) {
      const message = `Use one of: ${[...FIELD_TYPES.keys()].join(", ")}. Or give ${member} as a JSON Schema.`;
      report(context, [...at, "type"], type, message);
    }
    properties.set(name, { ...(typeof known === "string" && { type: known }), ...rest });
    if (isRequired === true) required.push(name);
  }
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required: [...new Set(required)] }),
  };
}

function fieldType(type: unknown): string | null | undefined {
  return typeof type === "string" ? FIELD_TYPES.get(type.toLowerCase()) : undefined;
}

function noteOf(changelog: unknown): unknown {
  if (!Array.isArray(changelog)) return changelog;
  if (changelog.length === 0) return null;
  return changelog
    .map((entry) => (typeof entry === "string" ? entry : JSON.stringify(entry)))
    .join("\n");
}

function report(context: Context, path: PropertyKey[], input: unknown, message: string): void {
  context.issues.push({ code: "custom", path, input, message });
}
