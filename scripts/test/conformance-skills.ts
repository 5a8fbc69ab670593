/** What the conformance suite expects of a server under test, as skills: the product has none of it. */
import { z } from "zod";
import type { TestService } from "../../workers/test/service.ts";

const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));\n";
const typescript = (script: string) => ({ type: "typescript", script: SLEEP + script });

/** As the scenario `json-schema-2020-12` has it. */
const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Tools, by the names that the suite has for them. */
const SKILLS: Readonly<Record<string, object>> = {
  test_simple_text: {
    implementation: typescript(
      "export default () => 'This is a simple text response for testing.'",
    ),
    files: {
      "static.txt": "This is the content of the static text resource.",
      "static.png": { content: PIXEL, encoding: "base64" },
      "template/123/data.json": '{"id":"123","templateTest":true,"data":"Data for ID: 123"}',
    },
  },
  test_error_handling: {
    implementation: typescript("export default () => { throw new Error('It fails on purpose') }"),
  },
  test_tool_with_progress: {
    implementation: typescript(
      "export default async () => { for (const part of [0, 50, 100]) { console.log(part); await sleep(100) } return 'done' }",
    ),
  },
  json_schema_2020_12_tool: {
    implementation: typescript("export default () => null"),
    inputs: SCHEMA_2020_12,
  },
  greet: { implementation: typescript("export default ({ name }) => `Hello, ${name}!`") },
  slow_compute: {
    implementation: typescript(
      "export default async ({ seconds }) => { await sleep(seconds * 1000); return { seconds } }",
    ),
  },
  failing_job: {
    implementation: typescript(
      "export default async () => { await sleep(1000); throw new Error('It fails on purpose') }",
    ),
  },
  confirm_delete: {
    implementation: typescript("export default ({ filename }) => `Deleted ${filename}`"),
    requires_approval: true,
  },
};

/** Prompts are the instructions of skills. */
const PROMPTS: Readonly<Record<string, object>> = {
  test_simple_prompt: { instructions: "This is a simple prompt for testing." },
  test_prompt_with_arguments: {
    instructions: "Say what the arguments are.",
    inputs: {
      type: "object",
      properties: {
        arg1: { type: "string", description: "First test argument" },
        arg2: { type: "string", description: "Second test argument" },
      },
      required: ["arg1", "arg2"],
    },
  },
};

const ALL = { ...SKILLS, ...PROMPTS };
const slugOf = (name: string) => name.replaceAll("_", "-");
const FILES = `skill://${slugOf("test_simple_text")}`;

export const NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(ALL).map((name) => [name, slugOf(name)]),
);
export const URIS: Readonly<Record<string, string>> = {
  "test://static-text": `${FILES}/static.txt`,
  "test://static-binary": `${FILES}/static.png`,
  "test://template/123/data": `${FILES}/template/123/data.json`,
};

const createdSchema = z.object({ slug: z.string() });

export async function createSkills(service: TestService): Promise<void> {
  for (const [name, skill] of Object.entries(ALL)) {
    const json = { name, slug: slugOf(name), category: "validation", description: name, ...skill };
    const reply = await service.fetch("/api/v1/skills", { json });
    createdSchema.parse(await reply.json());
  }
}
