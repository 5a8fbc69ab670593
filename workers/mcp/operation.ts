/**
 * PIPELZR's own operations as tools. One is one file in `operations/`, named in `operations/index.ts`:
 *
 *     export const getTask = defineOperation({
 *       name: "pipelzr_get_task", title: "Get a task", description: "…", scope: "tasks:read",
 *       annotations: READS,
 *       input: z.strictObject({ task_id: idSchema }), output: taskOutput,
 *       run: async ({ principal, services }, { task_id }) => …,
 *     });
 */
import type { CallToolResult, Tool, ToolAnnotations } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Entity } from "../http/audit-record.ts";
import { ApiError } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { inOurWords } from "../http/wording.ts";
import { requireScope, type Scope } from "../security/principal.ts";
import type { Caller } from "./caller.ts";
import { valueResult } from "./results.ts";
import type { LongRunRef } from "./task-id.ts";
import type { Tell } from "./waiting.ts";

/** What a tool call comes to: its result, or a run that goes on, for those who can follow one. */
export type ToolOutcome =
  | {
      readonly kind: "result";
      readonly result: CallToolResult;
      /** What the call was about, where it is known. */
      readonly about?: Entity;
    }
  | { readonly kind: "going"; readonly run: LongRunRef };

/** How a call is made. */
export interface CallTerms {
  /** Whatever is not over by then is handed over to be followed; null for who cannot follow. */
  readonly hand_over_ms: number | null;
  /** Hears of what happens meanwhile; null where nobody listens. */
  readonly tell: Tell | null;
}

export interface Operation {
  readonly tool: Tool;
  readonly scope: Scope;
  /** Throws `forbidden`, `validation_failed`, and what the service does. */
  call(caller: Caller, sent: unknown, terms: CallTerms): Promise<ToolOutcome>;
}

/** What an operation answers; `failed` marks it as an error, `going` lets it be handed over. */
export interface Answer<Output> {
  readonly output: Output;
  readonly failed?: boolean;
  readonly going?: LongRunRef | null;
}

interface OperationSpec<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: `pipelzr_${string}`;
  readonly title: string;
  readonly description: string;
  readonly scope: Scope;
  readonly annotations: ToolAnnotations;
  readonly input: Input;
  readonly output: Output;
  run(caller: Caller, input: z.output<Input>, terms: CallTerms): Promise<Answer<z.input<Output>>>;
}

export const READS: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };

export function defineOperation<Input extends z.ZodObject, Output extends z.ZodObject>(
  spec: OperationSpec<Input, Output>,
): Operation {
  const { name, title, description, annotations, scope, input, output } = spec;
  return {
    scope,
    tool: {
      ...{ name, title, description, annotations },
      inputSchema: { ...jsonSchemaOf(input, "input"), type: "object" },
      outputSchema: { ...jsonSchemaOf(output, "output"), type: "object" },
    },
    async call(caller, sent, terms) {
      requireScope(caller.principal, scope);
      const parsed = input.safeParse(sent, { error: inOurWords });
      if (!parsed.success) throw invalidArguments(name, parsed.error);
      const answer = await spec.run(caller, parsed.data, terms);
      if (answer.going) return { kind: "going", run: answer.going };
      const value = output.parse(answer.output);
      const result = valueResult(value);
      return {
        kind: "result",
        result: answer.failed ? { ...result, isError: true } : result,
        about: aboutOf(scope, { ...parsed.data, ...value }),
      };
    },
  };
}

/** Operations are about what their scope is of, and say its id. */
function aboutOf(scope: Scope, said: Readonly<Record<string, unknown>>): Entity {
  const entity_type = scope.replace(/s:.*/, "");
  const id = said[`${entity_type}_id`] ?? said.id;
  return { entity_type, entity_id: typeof id === "string" ? id : null };
}

function invalidArguments(tool: string, error: z.ZodError): ApiError {
  const detail = `The arguments are not what the tool "${tool}" takes; correct what is listed.`;
  return new ApiError("validation_failed", detail, { issues: toIssues(error) });
}

/** Values that are any JSON have no schema of their own; bounds that say nothing to a model are left out. */
function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema, ...members } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override({ jsonSchema }) {
      if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return members;
}
