/** Answers one GraphQL request in the shapes of the engine: data or errors, never both. */
import {
  buildSchema,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLFieldResolver,
  getNamedType,
  parse,
  ScalarLeafsRule,
  specifiedRules,
  ValuesOfCorrectTypeRule,
  validate,
} from "graphql";
import { Call, OBJECT_TYPES } from "./call.ts";
import type { QueryContext } from "./context.ts";
import { EngineError, ExecError } from "./errors.ts";
import { FIELDS, OBJECT_ARGUMENTS, queryField } from "./fields.ts";
import { SCHEMA } from "./schema.ts";

const schema = buildSchema(SCHEMA);

/** The engine leaves out two rules, for clients that send enums as strings. */
const RULES = specifiedRules.filter(
  (rule) => rule !== ValuesOfCorrectTypeRule && rule !== ScalarLeafsRule,
);

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface WireError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly locations?: readonly { readonly line: number; readonly column: number }[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export function errorAnswer(status: number, errors: readonly WireError[]): Answer {
  return { status, body: { errors, data: null } };
}

function refusal(errors: readonly GraphQLError[], code: string): Answer {
  return errorAnswer(
    422,
    errors.map(({ message, locations }) => ({
      message,
      ...(locations && { locations: locations.map(({ line, column }) => ({ line, column })) }),
      extensions: { code },
    })),
  );
}

const resolveField: GraphQLFieldResolver<unknown, QueryContext> = (source, args, context, info) => {
  const { fieldName, parentType, returnType } = info;
  const loaded: Record<string, unknown> = { ...args };
  const objects = OBJECT_ARGUMENTS[`${parentType.name}.${fieldName}`] ?? {};
  for (const [name, type] of Object.entries(objects)) {
    const id = loaded[name];
    if (typeof id === "string") loaded[name] = context.engine.calls.load(id, type);
  }
  if (!(source instanceof Call)) return queryField(fieldName)(loaded, context);
  const field = FIELDS[source.type][fieldName];
  if (field !== undefined) return field(source, loaded, context);
  const type = OBJECT_TYPES.find((name) => name === getNamedType(returnType).name);
  if (type === undefined) throw new EngineError(`${source.type}.${fieldName} is not served`);
  return source.select(type, fieldName, loaded);
};

export async function answerQuery(text: string, context: QueryContext): Promise<Answer> {
  let document: ReturnType<typeof parse>;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return refusal([error], "GRAPHQL_PARSE_FAILED");
  }
  const invalid = validate(schema, document, RULES);
  if (invalid.length > 0) return refusal(invalid, "GRAPHQL_VALIDATION_FAILED");
  const result = await execute({
    ...{ schema, document, contextValue: context },
    fieldResolver: resolveField,
    typeResolver: (value) => (value instanceof Call ? value.type : undefined),
  });
  return answer(result);
}

function answer({ data, errors = [] }: ExecutionResult): Answer {
  if (errors.length === 0) return { status: 200, body: { data } };
  return errorAnswer(
    200,
    errors.map(({ message, path, originalError }) => ({
      message,
      ...(path && { path }),
      ...(originalError instanceof ExecError && { extensions: originalError.extensions }),
    })),
  );
}
