/**
 * Turns calls into the ids that clients hold, and back. An id is the digest of a chain; the chain is
 * kept in the engine's state directory, so that an id outlives the session that it comes from.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Call, OBJECT_TYPES, type ObjectType } from "./call.ts";
import { EngineError, hasCode } from "./errors.ts";

const objectType = z.enum(OBJECT_TYPES);
const idSchema = z.strictObject({ type: objectType, digest: z.string().regex(/^[0-9a-f]{64}$/) });
const recipeSchema = z.strictObject({
  type: objectType,
  field: z.string(),
  receiver: z.string().nullable(),
  values: z.record(z.string(), z.unknown()),
  calls: z.record(z.string(), z.string()),
});

export class CallStore {
  readonly #directory: string;
  readonly #calls = new Map<string, Call>();

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  idOf(call: Call): string {
    this.#keep(call);
    return Buffer.from(JSON.stringify({ type: call.type, digest: call.digest })).toString("base64");
  }

  /** The call behind an id; refuses one of another type when a type is asked for. */
  load(id: string, type?: ObjectType): Call {
    const parsed = idSchema.safeParse(parseJson(Buffer.from(id, "base64").toString("utf8")));
    if (!parsed.success) throw new EngineError(`invalid ID: ${JSON.stringify(id.slice(0, 64))}`);
    const call = this.#read(parsed.data.digest);
    if (call === null) throw new EngineError(`load ${parsed.data.type}: unknown ID`);
    if (type !== undefined && call.type !== type) {
      throw new EngineError(`expected ${type} ID, got ${call.type}`);
    }
    return call;
  }

  #path(digest: string): string {
    return join(this.#directory, `${digest}.json`);
  }

  #keep(call: Call): void {
    if (this.#calls.has(call.digest)) return;
    if (call.receiver !== null) this.#keep(call.receiver);
    const values: Record<string, unknown> = {};
    const calls: Record<string, string> = {};
    for (const [name, value] of Object.entries(call.arguments)) {
      if (value instanceof Call) {
        this.#keep(value);
        calls[name] = value.digest;
      } else values[name] = value;
    }
    const { type, field, receiver } = call;
    const recipe = { type, field, receiver: receiver?.digest ?? null, values, calls };
    writeFileSync(this.#path(call.digest), JSON.stringify(recipe));
    this.#calls.set(call.digest, call);
  }

  #read(digest: string): Call | null {
    const known = this.#calls.get(digest);
    if (known !== undefined) return known;
    let text: string;
    try {
      text = readFileSync(this.#path(digest), "utf8");
    } catch (error) {
      if (hasCode(error, "ENOENT")) return null;
      throw error;
    }
    const recipe = recipeSchema.parse(JSON.parse(text));
    const args: Record<string, unknown> = { ...recipe.values };
    for (const [name, argument] of Object.entries(recipe.calls)) args[name] = this.#read(argument);
    const receiver = recipe.receiver === null ? null : this.#read(recipe.receiver);
    const call = new Call(recipe.type, recipe.field, args, receiver);
    this.#calls.set(digest, call);
    return call;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
