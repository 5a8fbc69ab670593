/** Attempts outside the coordinator's process: runs of other resources, and code that backends run. */
import { logWarning } from "../http/log.ts";
import type { DetachedAttempts } from "./detached-attempts.ts";
import { isReset } from "./patiently.ts";
import { StepNotReady, type StepWork } from "./ports.ts";
import { ask } from "./questions.ts";
import type { RunChildren } from "./run-children.ts";
import type { RunHost } from "./run-host.ts";
import type { LiveRun } from "./store-types.ts";
import type { StopCause } from "./types.ts";

export class Dispatcher {
  readonly #host: RunHost;
  readonly #children: RunChildren;
  readonly #detached: DetachedAttempts;

  /** Dispatches that are being stopped. */
  readonly #stopped = new Set<string>();

  constructor(host: RunHost, children: RunChildren, detached: DetachedAttempts) {
    this.#host = host;
    this.#children = children;
    this.#detached = detached;
  }

  /** Sends a dispatch, or asks after one that was sent. Never rejects. */
  async begin(live: LiveRun, step: number, epoch: number): Promise<void> {
    try {
      const work = await this.#work(live, step);
      // The stop may have come while the work was made out.
      if (this.#stopped.has(keyOf(live, step, epoch))) return;
      if (work.type === "run") await this.#children.begin(live, step, epoch, work);
      else await this.#detached.begin(live, step, epoch, work);
    } catch (error) {
      this.#fail(live, step, epoch, error);
    }
  }

  /** Stops a dispatch; what it comes to is reported by whoever has it. Never rejects. */
  async stop(live: LiveRun, step: number, epoch: number, cause: StopCause): Promise<void> {
    const key = keyOf(live, step, epoch);
    this.#stopped.add(key);
    try {
      const work = await this.#work(live, step);
      if (work.type === "run") await this.#children.stop(live, step, epoch, work);
      else await this.#detached.stop(live, step, epoch, cause);
    } catch (error) {
      logWarning("attempt_not_stopped", error, { resource_id: live.resource.id });
    } finally {
      this.#stopped.delete(key);
    }
  }

  async #work(live: LiveRun, step: number): Promise<StepWork> {
    const kind = this.#host.kind(live.resource);
    return ask(this.#host.results, live, (view) => kind.work(view, step));
  }

  #fail(live: LiveRun, step: number, epoch: number, error: unknown): void {
    if (isReset(error) || !(error instanceof StepNotReady)) {
      // It is sent again when its lease runs out.
      logWarning("dispatch_not_sent", error, { resource_id: live.resource.id });
      return;
    }
    const { code, message } = error;
    const result = { status: "failed", reason: "error", exit_code: null, code, message } as const;
    this.#host.tell(live, { type: "attempt_finished", step, epoch, result });
  }
}

function keyOf(live: LiveRun, step: number, epoch: number): string {
  return `${live.resource.id}/${live.run}/${step}/${epoch}`;
}
