/** Attempts outside the coordinator's process: runs of other resources, and code that backends run. */
import { logWarning } from "../http/log.ts";
import { type DetachedAttempts, DispatchNotSent } from "./detached-attempts.ts";
import { isReset } from "./patiently.ts";
import { StepNotReady } from "./ports.ts";
import { ask, viewOf } from "./questions.ts";
import type { RunChildren } from "./run-children.ts";
import type { RunHost } from "./run-host.ts";
import type { LiveRun } from "./store-types.ts";
import type { StopCause } from "./types.ts";

export class Dispatcher {
  readonly #host: RunHost;
  readonly #children: RunChildren;
  readonly #detached: DetachedAttempts;

  constructor(host: RunHost, children: RunChildren, detached: DetachedAttempts) {
    this.#host = host;
    this.#children = children;
    this.#detached = detached;
  }

  /** Sends a dispatch, or asks after one that was sent. Never rejects. */
  async begin(live: LiveRun, step: number, epoch: number): Promise<void> {
    try {
      // What was made out once is not made out again.
      if (await this.#detached.repeat(live, step, epoch)) return;
      const kind = this.#host.kind(live.resource);
      const work = await ask(this.#host.results, live, (view) => kind.work(view, step, epoch));
      if (work.type === "run") await this.#children.begin(live, step, epoch, work);
      else if (work.type === "work") await this.#detached.begin(live, step, epoch, work);
      else throw new Error("a call is no work of a backend");
    } catch (error) {
      this.#fail(live, step, epoch, error);
    }
  }

  /** Stops a dispatch; what it comes to is reported by whoever has it. Never rejects. */
  async stop(live: LiveRun, step: number, epoch: number, cause: StopCause): Promise<void> {
    try {
      const kind = this.#host.kind(live.resource);
      const child = kind.child(viewOf(live, this.#host.results), step, epoch);
      if (child === null) await this.#detached.stop(live, step, epoch, cause);
      else await this.#children.stop(live, step, epoch, child);
    } catch (error) {
      logWarning("attempt_not_stopped", error, { resource_id: live.resource.id });
    }
  }

  #fail(live: LiveRun, step: number, epoch: number, error: unknown): void {
    if (isReset(error) || error instanceof DispatchNotSent) {
      // It is sent again when its lease runs out.
      logWarning("dispatch_not_sent", error, { resource_id: live.resource.id });
      return;
    }
    const { code, message } = failureOf(error);
    const result = { status: "failed", reason: "error", exit_code: null, code, message } as const;
    this.#host.tell(live, { type: "attempt_finished", step, epoch, result });
  }
}

function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof StepNotReady) return error;
  const why = error instanceof Error ? error.message : String(error);
  const message = `What the attempt needs could not be made out: ${why} Retry it; if that fails too, look at the service's logs.`;
  return { code: "attempt_not_prepared", message };
}
