/** Every member of every body: a value of another JSON type is told which type is wanted, and that alone. */
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate } from "./app.ts";

const schemaNode = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  get anyOf() {
    return z.array(schemaNode).optional();
  },
  get oneOf() {
    return z.array(schemaNode).optional();
  },
  get allOf() {
    return z.array(schemaNode).optional();
  },
  get properties() {
    return z.record(z.string(), schemaNode).optional();
  },
  get items() {
    return schemaNode.optional();
  },
  get additionalProperties() {
    return z.union([z.boolean(), schemaNode]).optional();
  },
});
type Node = z.output<typeof schemaNode>;

const documentSchema = z.looseObject({
  components: z.looseObject({ schemas: z.record(z.string(), schemaNode) }),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        operationId: z.string(),
        "x-credential": z.string().optional(),
        requestBody: z
          .looseObject({
            content: z.record(z.string(), z.looseObject({ schema: schemaNode.optional() })),
          })
          .optional(),
      }),
    ),
  ),
});

const { call } = isolate();
const document = documentSchema.parse((await call("/openapi.json", { key: null })).body);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) => {
    const schema = operation.requestBody?.content["application/json"]?.schema;
    if (!schema || operation["x-credential"] !== undefined) return [];
    return [{ path, method: method.toUpperCase(), id: operation.operationId, schema }];
  }),
);

/** The branches of a schema, without references and unions. */
function branchesOf(node: Node): Node[] {
  if (node.$ref !== undefined) {
    const target = document.components.schemas[node.$ref.split("/").at(-1) ?? ""];
    return target ? branchesOf(target) : [];
  }
  const parts = [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])];
  return parts.length === 0 ? [node] : parts.flatMap(branchesOf);
}

const WORDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "an array",
  object: "an object",
};

/** The JSON types that a branch takes; null for any. */
function typesOf(node: Node): string[] | null {
  if (node.type !== undefined) return [node.type].flat();
  if (node.const !== undefined) return [typeof node.const];
  if (node.enum !== undefined)
    return node.enum.map((value) => (value === null ? "null" : typeof value));
  return null;
}

/** What the message has to name: types, or the values where only some are taken. */
function wordsOf(branches: readonly Node[]): string[] {
  return branches.flatMap((branch) => {
    const values = branch.const === undefined ? branch.enum : [branch.const];
    if (values !== undefined) return values.filter((value) => value !== null).map(String);
    return (typesOf(branch) ?? []).flatMap((type) => WORDS[type] ?? []);
  });
}

const SAMPLES: readonly [type: string, value: unknown][] = [
  ["null", null],
  ["boolean", true],
  ["number", 7],
  ["string", "a text that is long"],
  ["array", Array(300).fill("x")],
  ["object", { x: 1 }],
];

/** Whether a value of every type is taken. */
function takesAny(branches: readonly Node[]): boolean {
  const taken = branches.map(typesOf);
  return taken.includes(null) || SAMPLES.every(([type]) => taken.flat().includes(type));
}

interface Place {
  /** As issues name it. */
  readonly path: string;
  readonly branches: readonly Node[];
  /** The body that holds a value there. */
  wrap(value: unknown): unknown;
}

const MAX_DEPTH = 4;

/** The member by which a value of several kinds says which one it is. */
function kindOf({ branches }: Place, properties: Node["properties"]): Record<string, unknown> {
  const { type } = properties ?? {};
  const kind = type?.const ?? type?.enum?.[0];
  return branches.length > 1 && kind !== undefined ? { type: kind } : {};
}

/** A place, and all below it. */
function* placesIn(place: Place, depth = 0): Generator<Place> {
  yield place;
  if (depth === MAX_DEPTH) return;
  const below = (path: string, node: Node, wrap: Place["wrap"]) =>
    placesIn(
      { path, branches: branchesOf(node), wrap: (value) => place.wrap(wrap(value)) },
      depth + 1,
    );
  for (const { properties, items, additionalProperties } of place.branches) {
    for (const [name, node] of Object.entries(properties ?? {})) {
      const path = place.path === "" ? name : `${place.path}.${name}`;
      const isStep = "needs" in (properties ?? {});
      // Unless it says what to do, a step is refused before its members are looked at.
      const rest = isStep ? { name: "a", command: "true" } : kindOf(place, properties);
      yield* below(path, node, (value) => ({ ...rest, [name]: value }));
    }
    if (items) yield* below(`${place.path}[0]`, items, (value) => [value]);
    if (typeof additionalProperties === "object" && place.path !== "") {
      yield* below(`${place.path}.a`, additionalProperties, (value) => ({ a: value }));
    }
  }
}

const issuesSchema = z.object({
  errors: z.array(z.object({ path: z.string(), message: z.string() })),
});
const validationSchema = z.object({ issues: issuesSchema.shape.errors });
const idSchema = z.looseObject({ id: z.string() });
const ids: Record<string, string> = {};

beforeAll(async () => {
  const task = await call("/api/v1/tasks", { body: { name: "t", command: "true" } });
  const body = { name: "p", tasks: [{ name: "a", command: "true" }] };
  const pipeline = await call("/api/v1/pipelines", { body });
  ids.task_id = idSchema.parse(task.body).id;
  ids.pipeline_id = idSchema.parse(pipeline.body).id;
});

describe("a value of another type", () => {
  it.each(operations.map((each) => [each.id, each] as const))(
    "is told the type that is wanted, by %s",
    async (id, { path, method, schema }) => {
      const url = path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? "1");
      const places = branchesOf(schema).flatMap(({ properties }) =>
        Object.entries(properties ?? {}).flatMap(([name, node]) => [
          ...placesIn({
            path: name,
            branches: branchesOf(node),
            wrap: (value) => ({ [name]: value }),
          }),
        ]),
      );
      let tried = 0;
      for (const { path: where, branches, wrap } of places) {
        const taken = branches.map(typesOf);
        if (taken.includes(null)) continue;
        const types = taken.flatMap((each) => each ?? []);
        for (const [type, value] of SAMPLES) {
          if (types.includes(type) || (type === "number" && types.includes("integer"))) continue;
          const reply = await call(url, { method, body: wrap(value) });
          const what = `${where}: ${type} in place of ${types}: ${reply.text.slice(0, 500)}`;
          const issues =
            reply.status === 200 && id === "validatePipeline"
              ? validationSchema.parse(reply.body).issues
              : issuesSchema.safeParse(reply.body).data?.errors;
          const here = (issues ?? []).filter((issue) => issue.path === where);
          expect(here, what).toHaveLength(1);
          for (const word of wordsOf(branches)) expect(here[0]?.message, what).toContain(word);
          tried += 1;
        }
      }
      expect(places).not.toEqual([]);
      // Nothing is of a wrong type where a body takes any JSON in every place that it has.
      if (!places.every(({ branches }) => takesAny(branches))) expect(tried).toBeGreaterThan(0);
    },
  );
});
