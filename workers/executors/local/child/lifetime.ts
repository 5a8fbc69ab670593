/**
 * Ends everything that a run started once the parent has hung up. The runtime drops timers and
 * promises by itself, but lets a request live on for work behind `waitUntil`, open WebSockets and
 * request bodies that are still being sent.
 *
 * Captured while the harness starts, since the task's code may replace what it can reach; the
 * context's `abort` is taken from the first request, which comes before any of that code.
 */
const { apply } = Reflect;
const listen = EventTarget.prototype.addEventListener;
const signalOf = Object.getOwnPropertyDescriptor(Request.prototype, "signal")?.get;

let abort: ((this: ExecutionContext, reason?: unknown) => void) | null = null;

/** To be called first of all for a request, so that no listener of the task's code comes before. */
export function endWithCaller(request: Request, context: ExecutionContext): void {
  abort ??= context.abort;
  const end = abort;
  if (signalOf === undefined) return;
  const stop = () => apply(end, context, ["The attempt has ended."]);
  apply(listen, apply(signalOf, request, []), ["abort", stop]);
}
