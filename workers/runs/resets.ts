/** The object was reset under the call: what it had committed counts, and it can be asked again. */
export function wasReset(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ["durableObjectReset", "retryable"].some((flag) => Reflect.get(error, flag) === true);
}
