/** What /openapi.json says, for tests that go through every route of it. */
import { type Schema, type ValidationResult, Validator } from "@cfworker/json-schema";
import { z } from "zod";
import type { TestService } from "./service.ts";

const mediaSchema = z.looseObject({ schema: z.record(z.string(), z.unknown()).optional() });
const contentSchema = z.record(z.string(), mediaSchema).default({});
const operationSchema = z.looseObject({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  "x-required-scope": z.string().optional(),
  "x-credential": z.string().optional(),
  parameters: z
    .array(z.looseObject({ name: z.string(), in: z.enum(["path", "query", "header"]) }))
    .default([]),
  requestBody: z.looseObject({ content: contentSchema }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: contentSchema })),
});
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({
    schemas: z.record(z.string(), z.record(z.string(), z.unknown())),
  }),
});

export interface Operation {
  readonly id: string;
  /** Upper case. */
  readonly method: string;
  /** With parameters in braces. */
  readonly path: string;
  /** Null when anyone may call it, and when something else than a scope opens it. */
  readonly scope: string | null;
  /** Whether keys and tokens do not open it, but a credential of its own. */
  readonly isGuarded: boolean;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  /** Media types of the body; empty when it takes none. */
  readonly bodyTypes: readonly string[];
  /** Names of the body's members. */
  readonly bodyMembers: readonly string[];
  readonly statuses: readonly number[];
}

export class Api {
  readonly operations: readonly Operation[];
  readonly #document: z.output<typeof documentSchema>;
  readonly #validators = new Map<string, Validator | null>();

  private constructor(document: z.output<typeof documentSchema>) {
    this.#document = document;
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        scope:
          operation.security.length === 0 || operation["x-credential"] !== undefined
            ? null
            : (operation["x-required-scope"] ?? ""),
        isGuarded: operation["x-credential"] !== undefined,
        parameters: operation.parameters,
        bodyTypes: Object.keys(operation.requestBody?.content ?? {}),
        bodyMembers: this.#membersOf(operation),
        statuses: Object.keys(operation.responses).map(Number),
      })),
    );
  }

  static async of(service: TestService): Promise<Api> {
    const response = await fetch(new URL("/openapi.json", service.url));
    return new Api(documentSchema.parse(await response.json()));
  }

  /** Checks a JSON body against what the document promises; null when it promises no JSON. */
  check(
    operation: Operation,
    status: number,
    type: string,
    body: unknown,
  ): ValidationResult | null {
    const id = `${operation.id} ${status} ${type}`;
    let validator = this.#validators.get(id);
    if (validator === undefined) {
      validator = this.#validator(operation, status, type);
      this.#validators.set(id, validator);
    }
    return validator?.validate(body) ?? null;
  }

  #validator(operation: Operation, status: number, type: string): Validator | null {
    const responses =
      this.#document.paths[operation.path]?.[operation.method.toLowerCase()]?.responses;
    const schema = responses?.[String(status)]?.content[type]?.schema;
    if (!schema) return null;
    const whole: Schema = { ...schema, components: this.#document.components };
    return new Validator(whole, "2020-12", false);
  }

  #membersOf(operation: z.output<typeof operationSchema>): readonly string[] {
    const schema = operation.requestBody?.content["application/json"]?.schema;
    const reference = z.string().safeParse(schema?.$ref);
    const name = reference.success ? reference.data.split("/").at(-1) : undefined;
    const target = name === undefined ? schema : this.#document.components.schemas[name];
    const members = z.record(z.string(), z.unknown()).safeParse(target?.properties);
    return members.success ? Object.keys(members.data) : [];
  }
}

/** The path with its parameters filled in; throws for one that has no value. */
export function fillPath(path: string, values: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${path}: the test has no value for "${name}".`);
    return encodeURIComponent(value);
  });
}
