import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outputsSchemaProblem } from "../executors/outputs-schema.ts";
import { contentSchema } from "./content.ts";
import { readSchema, withText } from "./original.ts";
import { createSkillSchema } from "./schemas.ts";

const create = (body: object) =>
  createSkillSchema.safeParse({ name: "a", category: "analysis", ...body });

/** Paths of what is wrong with a creation. */
const problems = (body: object) =>
  create(body).error?.issues.map(({ path }) => path.join(".")) ?? [];

describe("an implementation that is a text", () => {
  it.each([
    ["bash", "ls", { type: "bash", script: "ls", executor: "local" }],
    ["sh", "ls", { type: "bash", script: "ls" }],
    ["js", "export default () => 1", { type: "javascript" }],
    ["ts", "export default () => 1", { type: "typescript" }],
    ["python", "print(1)", { type: "python", script: "print(1)", executor: "dagger" }],
    [undefined, "print(1)", { type: "python" }],
    ["command", "make", { type: "command", command: "make" }],
    ["prompt", "Say ${{ inputs.a }}", { type: "prompt", template: "Say ${{ inputs.a }}" }],
    ["api", "https://a.example/x", { type: "http", method: "POST", body: "${{ inputs }}" }],
  ])("of the type %s is read into ours", (implementation_type, implementation, read) => {
    const body = { implementation, ...(implementation_type && { implementation_type }) };
    expect(create(body).data?.implementation).toMatchObject(read);
  });

  it("is permitted what it cannot do without, unless it says itself what it is permitted", () => {
    const python = create({ implementation: "print(1)", dependencies: ["other"] });
    expect(python.data?.permissions).toMatchObject({ executors: ["dagger"], skills: ["other"] });
    const api = { implementation: "https://a.example:8443/x", implementation_type: "api" };
    expect(create(api).data?.permissions).toMatchObject({ network: ["a.example:8443"] });
    expect(create({ ...api, permissions: {} }).data?.permissions).toMatchObject({ network: [] });
    const nowhere = create({ implementation: "not an address", implementation_type: "api" });
    expect(nowhere.data?.permissions).toMatchObject({ network: [] });
  });

  it("is refused with what it cannot be", () => {
    expect(problems({ implementation: "x", implementation_type: "cobol" })).toEqual([
      "implementation_type",
    ]);
    const object = { type: "bash", script: "ls" };
    expect(problems({ implementation: object, implementation_type: "bash" })).toEqual([
      "implementation_type",
    ]);
    expect(
      problems({ implementation: "x".repeat(70_000), implementation_type: "command" }),
    ).toEqual(["implementation"]);
  });

  it("replaces the text of what is there", () => {
    for (const [type, member] of [
      ["bash", "script"],
      ["command", "command"],
      ["prompt", "template"],
      ["http", "url"],
    ] as const) {
      const { implementation } = contentSchema.parse({ implementation: { type, [member]: "old" } });
      expect(withText(implementation, "new")).toEqual({ ...implementation, [member]: "new" });
    }
    const { implementation } = contentSchema.parse({
      implementation: { type: "pipeline", pipeline_id: "p" },
    });
    expect([withText(implementation, "new"), withText(null, "new")]).toEqual([null, null]);
  });
});

describe("a list of fields", () => {
  it("is the schema of an object", () => {
    const types = [
      "text",
      "string",
      "str",
      "int",
      "integer",
      "number",
      "float",
      "bool",
      "boolean",
      "array",
      "list",
      "object",
      "dict",
      "json",
      "any",
    ];
    const inputs = types.map((type) => ({ name: type, type }));
    expect(create({ inputs }).data?.inputs).toEqual({
      type: "object",
      properties: {
        ...{ text: { type: "string" }, string: { type: "string" }, str: { type: "string" } },
        ...{ int: { type: "integer" }, integer: { type: "integer" }, number: { type: "number" } },
        ...{ float: { type: "number" }, bool: { type: "boolean" }, boolean: { type: "boolean" } },
        ...{ array: { type: "array" }, list: { type: "array" }, object: { type: "object" } },
        ...{ dict: { type: "object" }, json: {}, any: {} },
      },
    });
  });

  it("keeps what else a field says, and who is required", () => {
    const size = { name: "size", type: "STR", required: true, enum: ["s", "l"], default: "s" };
    expect(readSchema([size, { name: "note", required: false, description: "Free." }])).toEqual({
      type: "object",
      properties: {
        size: { type: "string", enum: ["s", "l"], default: "s" },
        note: { description: "Free." },
      },
      required: ["size"],
    });
    expect(readSchema([])).toBeNull();
  });

  it("is refused with its fields at fault", () => {
    const inputs = [{ name: "a", type: "decimal" }, { type: "str" }, { name: "b" }, { name: "b" }];
    expect(problems({ inputs })).toEqual(expect.arrayContaining(["inputs"]));
    expect(problems({ inputs: [{ name: "b" }, { name: "b" }] })).toEqual(
      expect.arrayContaining(["inputs.1.name"]),
    );
  });

  it("is a schema that values can be held against, whatever it is", () => {
    const field = fc.record({
      name: fc.string({ minLength: 1, maxLength: 10 }).filter((name) => name !== "__proto__"),
      type: fc.constantFrom("str", "int", "list", "dict", "any", undefined),
      required: fc.constantFrom(true, false, undefined),
      description: fc.string(),
    });
    fc.assert(
      fc.property(fc.uniqueArray(field, { selector: ({ name }) => name }), (fields) => {
        const schema = readSchema(fields);
        expect(outputsSchemaProblem(schema)).toBeNull();
        const names = Object.keys(Object(schema?.properties));
        expect(names.sort()).toEqual(fields.map(({ name }) => name).sort());
      }),
    );
  });
});

it("reads a changelog into a note, unless there is one", () => {
  expect(create({ changelog: ["One.", { version: "2" }] }).data?.note).toBe(
    'One.\n{"version":"2"}',
  );
  expect(create({ changelog: ["One."], note: "Mine." }).data?.note).toBe("Mine.");
  expect(create({ changelog: [] }).data?.note).toBeNull();
});
