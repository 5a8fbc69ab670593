/**
 * What was asked of CommandCentral, kept for a while: fresh for a minute, and for longer while it
 * cannot be asked. Who asks for the same beside each other shares one call, and after a failure
 * nobody waits for the next one for some seconds.
 */

/** How long an answer is taken for what is. */
export const FRESH_MS = 60_000;
/** An answer that says there is nothing may be wrong the sooner. */
const FRESH_NOTHING_MS = 5_000;
/** How long an answer stands in for one that cannot be had. */
export const STALE_MS = 60 * 60_000;
/** After a failure, nothing is asked for so long. */
export const REST_MS = 5_000;
const CAPACITY = 5_000;
/** A call belongs to the request that made it, and ends with that: others wait so long for it. */
export const SHARED_WAIT_MS = 2_500;

export type Found<Value> =
  | {
      readonly source: "commandcentral" | "cache";
      /** Null for what there is not. */
      readonly value: Value | null;
      /** When it was said, in ms since 1970. */
      readonly as_of: number;
      /** Why it was not asked again, though it should have been; null when it need not be. */
      readonly error: string | null;
    }
  | { readonly source: "unavailable"; readonly error: string };

interface Entry<Value> {
  readonly value: Value | null;
  readonly at: number;
}

interface Flight<Value> {
  readonly found: Promise<Found<Value>>;
  readonly began: number;
}

export class Lookups<Value> {
  readonly #known = new Map<string, Entry<Value>>();
  readonly #flights = new Map<string, Flight<Value>>();
  readonly #failed = new Map<string, { readonly error: string; readonly until: number }>();

  /** `ask` answers null for what there is not, and throws when nothing can be said. */
  async get(key: string, now: number, ask: () => Promise<Value | null>): Promise<Found<Value>> {
    const known = this.#known.get(key);
    if (known !== undefined && now - known.at < freshFor(known)) return cached(known, null);
    const failed = this.#failed.get(key);
    if (failed !== undefined && failed.until > now) return this.#without(key, failed.error, now);
    const flight = this.#flights.get(key);
    if (flight === undefined || now - flight.began >= SHARED_WAIT_MS) {
      return this.#ask(key, now, ask);
    }
    const late = () => this.#without(key, "CommandCentral did not answer in time.", now);
    return within(flight.found, SHARED_WAIT_MS, late);
  }

  #ask(key: string, now: number, ask: () => Promise<Value | null>): Promise<Found<Value>> {
    const found = ask()
      .then((value): Found<Value> => {
        keep(this.#known, key, { value, at: now });
        this.#failed.delete(key);
        return { source: "commandcentral", value, as_of: now, error: null };
      })
      .catch((cause: unknown): Found<Value> => {
        const error = cause instanceof Error ? cause.message : String(cause);
        keep(this.#failed, key, { error, until: now + REST_MS });
        return this.#without(key, error, now);
      })
      .finally(() => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      });
    const flight = { found, began: now };
    keep(this.#flights, key, flight);
    return found;
  }

  #without(key: string, error: string, now: number): Found<Value> {
    const known = this.#known.get(key);
    const isUsable = known !== undefined && now - known.at < STALE_MS;
    return isUsable ? cached(known, error) : { source: "unavailable", error };
  }
}

function freshFor({ value }: Entry<unknown>): number {
  return value === null ? FRESH_NOTHING_MS : FRESH_MS;
}

function cached<Value>({ value, at }: Entry<Value>, error: string | null): Found<Value> {
  return { source: "cache", value, as_of: at, error };
}

async function within<Value>(
  found: Promise<Value>,
  waitMs: number,
  late: () => Value,
): Promise<Value> {
  const { promise, resolve } = Promise.withResolvers<Value>();
  const timer = setTimeout(() => resolve(late()), waitMs);
  try {
    return await Promise.race([found, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  const [oldest] = map.keys();
  if (map.size >= CAPACITY && oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
