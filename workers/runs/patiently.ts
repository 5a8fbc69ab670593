/** Calls of other objects, which are reset at times: by a deploy, a crash, or their own decision. */

/** Tries to reach the object, and the delay after the first, which doubles. */
const MAX_TRIES = 6;
const FIRST_DELAY_MS = 50;

/** Calls another object, again when it was reset under the call. */
export async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (tries === MAX_TRIES || !isReset(error)) throw error;
      await scheduler.wait(FIRST_DELAY_MS * 2 ** (tries - 1));
    }
  }
}

/** The other object was reset, or is too busy, rather than unwilling. */
export function isReset(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ["durableObjectReset", "retryable", "overloaded"].some(
    (flag) => Reflect.get(error, flag) === true,
  );
}
