/** Calls to pools of runners: one that was just reset is there again soon. */
import { ApiError } from "../http/errors.ts";
import type { Pools } from "./service.ts";

export type Pool = ReturnType<Pools["getByName"]>;

/** Calls a pool; throws `unavailable` when it, or the coordinator behind it, does not answer. */
export async function askPool<T>(
  pools: Pools,
  name: string,
  call: (pool: Pool) => Promise<T>,
): Promise<T> {
  try {
    return await call(pools.getByName(name));
  } catch (cause) {
    throw unavailable("The pool of runners, or the coordinator behind it, did not answer.", cause);
  }
}

export function unavailable(what: string, cause?: unknown): ApiError {
  return new ApiError("unavailable", `${what} Try again.`, {
    headers: { "Retry-After": "1" },
    cause,
  });
}
