/** Reads objects out of a call's arguments. */
import { Call } from "./call.ts";
import { EngineError } from "./errors.ts";

export function callArgument(call: Call, name: string): Call {
  const value = call.arguments[name];
  if (value instanceof Call) return value;
  throw new EngineError(
    `${call.type}.${call.field}: argument ${JSON.stringify(name)} is no object`,
  );
}

export function optionalCallArgument(call: Call, name: string): Call | null {
  return call.arguments[name] instanceof Call ? callArgument(call, name) : null;
}
