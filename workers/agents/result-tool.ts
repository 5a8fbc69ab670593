/**
 * The tool by which an agent hands in a result that has to be of a shape. What it hands in is held
 * against the schema as every call is; the newest of a turn counts.
 */
import type { Json } from "../http/json.ts";
import { freeObject } from "../tasks/fields.ts";
import type { ResultSchema } from "./spec.ts";
import type { ToolDefinition, ToolResult } from "./tool-port.ts";

export const SUBMIT_RESULT = "submit_result";

/** Times that an agent which ended its turn without its result is asked for it. */
export const MAX_REMINDERS = 2;
export const REMINDER =
  "You have not handed in the result. Call the tool submit_result with it now, in the shape that the tool takes.";

/** `outputs` is the JSON Schema of the result. */
export function resultTool(outputs: ResultSchema): ToolDefinition {
  return {
    name: SUBMIT_RESULT,
    description:
      "Hands in the result of what you were asked to do. Call it once you have it, with the whole of it; calling it again replaces what you handed in.",
    input_schema: isObjectSchema(outputs) ? outputs : wrapped(outputs),
    recovery: "rerun",
    is_parallel: true,
    kind: "tool",
  };
}

export const RESULT_TAKEN: ToolResult = { output: "The result is taken.", is_error: false };

/** The result that a call with this input has handed in. */
export function submittedResult(outputs: ResultSchema, input: Json): Json {
  if (isObjectSchema(outputs)) return input;
  const wrap = freeObject.safeParse(input);
  return wrap.success ? (wrap.data.result ?? null) : null;
}

/** What a tool takes is always an object. */
function isObjectSchema({ type }: ResultSchema): boolean {
  return type === "object";
}

/** References lead to where they led before: definitions stay at the root. */
function wrapped({ $defs, definitions, $schema: _, ...result }: ResultSchema): ResultSchema {
  return {
    type: "object",
    properties: { result },
    required: ["result"],
    additionalProperties: false,
    ...($defs !== undefined && { $defs }),
    ...(definitions !== undefined && { definitions }),
  };
}
