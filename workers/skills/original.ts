/**
 * The original service's form of a skill: `implementation` a text with `implementation_type` beside
 * it, `inputs` and `outputs` lists of fields, `dependencies`, `changelog`. It is read into ours.
 */
import { z } from "@hono/zod-openapi";
import { freeObject } from "../tasks/fields.ts";
import {
  type Implementation,
  implementationSchema,
  type Permissions,
  permissionsSchema,
  type SkillContent,
} from "./content.ts";
import { slugSchema } from "./slug.ts";

const MAX_TEXT_CHARS = 512 * 1024;
const MAX_FIELDS = 200;
const MAX_CHANGES = 1_000;
const PYTHON_EXECUTOR = "dagger";

/** Names of script languages, by those they went by. */
const SCRIPTS = {
  ...({ javascript: "javascript", js: "javascript", node: "javascript" } as const),
  ...({ typescript: "typescript", ts: "typescript" } as const),
  ...({ bash: "bash", shell: "bash", sh: "bash", python: "python" } as const),
};
const SCRIPT_NAMES = [
  "python",
  "bash",
  "shell",
  "sh",
  "javascript",
  "js",
  "node",
  "typescript",
  "ts",
] as const;
const TYPES = [...SCRIPT_NAMES, "command", "prompt", "api", "http"] as const;
type OriginalType = (typeof TYPES)[number];

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

export const implementationText = z.string().min(1).max(MAX_TEXT_CHARS);

const fieldSchema = z.looseObject({
  name: z.string().min(1).max(200),
  type: z
    .string()
    .refine(
      (type) => FIELD_TYPES.has(type.toLowerCase()),
      `Use one of: ${[...FIELD_TYPES.keys()].join(", ")}. Or give a JSON Schema in place of the list.`,
    )
    .nullish(),
  required: z.boolean().nullish(),
});
export const fieldList = z
  .array(fieldSchema)
  .max(MAX_FIELDS)
  .superRefine((list, context) => {
    const names = list.map(({ name }) => name);
    list.forEach(({ name }, index) => {
      if (names.indexOf(name) === index) return;
      context.addIssue({
        code: "custom",
        path: [index, "name"],
        message: "The name was given before.",
      });
    });
  })
  .openapi({ description: "Fields, as the original service has them." });
type FieldList = z.output<typeof fieldList>;

/** Members of a creation that ours has others for. */
export const originalFields = {
  implementation_type: z.enum(TYPES).optional().openapi({
    deprecated: true,
    description: "Of an `implementation` that is a text; python unless said.",
  }),
  dependencies: z
    .array(slugSchema)
    .optional()
    .openapi({ deprecated: true, description: "As `permissions.skills`." }),
  changelog: z
    .array(z.union([z.string(), freeObject]))
    .max(MAX_CHANGES)
    .optional()
    .openapi({ deprecated: true, description: "As `note`, one line each." }),
};

type Sent = {
  readonly implementation: Implementation | string | null;
  readonly inputs: Schema | FieldList;
  readonly outputs: Schema | FieldList;
  readonly permissions?: Permissions | undefined;
  readonly note?: string | null | undefined;
  readonly implementation_type?: OriginalType | undefined;
  readonly dependencies?: readonly string[] | undefined;
  readonly changelog?: readonly (string | object)[] | undefined;
};
type Schema = SkillContent["inputs"];

/** A creation in our form alone. What is wrong with a text in the place of an object is reported. */
export function readOriginal<Body extends Sent>(sent: Body, context: z.RefinementCtx) {
  const { implementation: given, inputs, outputs, permissions, note, ...others } = sent;
  const { implementation_type, dependencies, changelog, ...rest } = others;
  if (typeof given !== "string" && implementation_type !== undefined) {
    context.addIssue({ code: "custom", path: ["implementation_type"], message: WITHOUT_TEXT });
  }
  const read =
    typeof given === "string" ? readText(given, implementation_type ?? "python", context) : null;
  const implementation = typeof given === "string" ? read : given;
  const needed = read === null ? {} : permissionsOf(read);
  return {
    ...rest,
    implementation,
    inputs: readSchema(inputs),
    outputs: readSchema(outputs),
    permissions: permissions ?? permissionsSchema.parse({ ...needed, skills: dependencies ?? [] }),
    note: note ?? noteOf(changelog ?? []),
  };
}

const WITHOUT_TEXT =
  "It goes with an implementation that is a text; an object says its type itself.";

function readText(
  text: string,
  type: OriginalType,
  context: z.RefinementCtx,
): Implementation | null {
  const { data = null, error } = implementationSchema.safeParse(implementationOf(text, type));
  for (const { message } of error?.issues ?? []) {
    context.addIssue({ code: "custom", path: ["implementation"], message });
  }
  return data;
}

function implementationOf(text: string, type: OriginalType): z.input<typeof implementationSchema> {
  switch (type) {
    case "command":
      return { type, command: text };
    case "prompt":
      return { type, template: text };
    case "api":
    case "http":
      // The service that is called is given the inputs.
      return { type: "http", method: "POST", url: text, body: "${{ inputs }}" };
    default:
      return { type: SCRIPTS[type], script: text };
  }
}

/** What it cannot do without, and the original did not ask for. */
function permissionsOf(implementation: Implementation): z.input<typeof permissionsSchema> {
  if (implementation.type === "python") return { executors: [PYTHON_EXECUTOR] };
  if (implementation.type !== "http") return {};
  const host = URL.parse(implementation.url)?.host;
  return host === undefined ? {} : { network: [host] };
}

/** A list of fields as the schema of an object; null for a list without any. What else a field says is kept. */
export function readSchema(sent: Schema | FieldList): Schema {
  if (!Array.isArray(sent)) return sent;
  if (sent.length === 0) return null;
  const properties = sent.map(({ name, type, required: _, ...rest }) => {
    const known = type ? (FIELD_TYPES.get(type.toLowerCase()) ?? null) : null;
    return [name, { ...(known !== null && { type: known }), ...freeObject.parse(rest) }] as const;
  });
  const required = sent.flatMap((field) => (field.required === true ? [field.name] : []));
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required }),
  };
}

function noteOf(changelog: readonly (string | object)[]): string | null {
  if (changelog.length === 0) return null;
  return changelog
    .map((entry) => (typeof entry === "string" ? entry : JSON.stringify(entry)))
    .join("\n");
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
