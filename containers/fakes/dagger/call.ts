/**
 * A call is one link of a chain such as `container { from { withExec` and names what it yields. Its
 * digest covers the whole chain, so that equal chains are one object, whoever builds them.
 */
import { createHash } from "node:crypto";

export const OBJECT_TYPES = [
  "Container",
  "Directory",
  "File",
  "CacheVolume",
  "Secret",
  "Host",
  "Engine",
  "EngineCache",
] as const;
export type ObjectType = (typeof OBJECT_TYPES)[number];

export type Arguments = Readonly<Record<string, unknown>>;

/** Their values reach the commands that run and are no part of what identifies them. */
const VOLATILE_FIELDS: ReadonlySet<string> = new Set([
  "withVolatileVariable",
  "withoutVolatileVariable",
]);

export class Call {
  readonly type: ObjectType;
  readonly field: string;
  readonly arguments: Arguments;
  readonly receiver: Call | null;
  /** Identifies the object. */
  readonly digest: string;
  /** Identifies what executing the chain yields: equal for chains that differ in volatile values. */
  readonly cacheKey: string;

  constructor(type: ObjectType, field: string, args: Arguments = {}, receiver: Call | null = null) {
    this.type = type;
    this.field = field;
    this.arguments = args;
    this.receiver = receiver;
    this.digest = this.#hash((call) => call.digest);
    this.cacheKey =
      receiver !== null && VOLATILE_FIELDS.has(field)
        ? receiver.cacheKey
        : this.#hash((call) => call.cacheKey);
  }

  select(type: ObjectType, field: string, args: Arguments = {}): Call {
    return new Call(type, field, args, this);
  }

  #hash(of: (call: Call) => string): string {
    const args = Object.entries(this.arguments)
      .filter(([, value]) => value !== undefined && value !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const parts = [this.type, this.field, args, this.receiver && of(this.receiver)];
    const text = JSON.stringify(parts, (_key, value: unknown) =>
      value instanceof Call ? { call: of(value) } : value,
    );
    return createHash("sha256").update(text).digest("hex");
  }
}
