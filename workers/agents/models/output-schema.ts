/** How a schema is put to a model, and the answer taken back: providers write objects alone. */
import type { Json } from "../../http/json.ts";

export interface AskedOutput {
  /** What the provider is sent; its root is an object. */
  readonly schema: Json;
  /** The value that was asked for, of the one that was written. */
  take(written: Json): Json;
}

type JsonObject = { readonly [name: string]: Json };

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A schema of anything but an object is put into one, with the definitions that it refers to. */
export function askOutput(schema: Json): AskedOutput {
  if (isObject(schema) && (schema.type === "object" || refersToItself(schema))) {
    return { schema, take: (written) => written };
  }
  const { $defs, definitions, ...value } = isObject(schema) ? schema : {};
  return {
    schema: {
      type: "object",
      properties: { value },
      required: ["value"],
      additionalProperties: false,
      ...($defs !== undefined && { $defs }),
      ...(definitions !== undefined && { definitions }),
    },
    take: (written) =>
      isObject(written) && "value" in written ? (written.value ?? null) : written,
  };
}

/** Its root cannot be moved then. */
const refersToItself = (schema: JsonObject) => JSON.stringify(schema).includes('"$ref":"#"');
