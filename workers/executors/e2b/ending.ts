/** What the owner of an attempt is told once it is over. */
import type { DetachedReport, Usage } from "../detached.ts";
import type { Outcome } from "../port.ts";
import { undeliverable } from "./failures.ts";
import type { RemotePorts } from "./ports.ts";
import type { SharedSandbox } from "./shared.ts";
import type { AttemptState } from "./state.ts";
import type { AttemptStore } from "./store.ts";
import { sandboxMs, usageOf } from "./usage.ts";

export class Ending {
  readonly #ports: Pick<RemotePorts, "bury" | "usd_per_hour">;
  readonly #store: AttemptStore;
  readonly #shared: SharedSandbox | null;

  constructor(
    ports: Pick<RemotePorts, "bury" | "usd_per_hour">,
    store: AttemptStore,
    shared: SharedSandbox | null,
  ) {
    this.#ports = ports;
    this.#store = store;
    this.#shared = shared;
  }

  async report(state: AttemptState): Promise<DetachedReport> {
    const spent = await this.usage(state);
    const usage = spent.sandbox_seconds === 0 ? {} : { usage: spent };
    const outcome = await this.#outcome(state);
    if (outcome !== null) return { type: "ended", outcome, ...usage };
    return { type: "lost", is_code_dead: state.is_killed, ...usage };
  }

  /** What the sandboxes of the attempt came to cost until now; of a shared one its part. */
  async usage(state: AttemptState): Promise<Usage> {
    const shared = state.sandbox_id === null ? null : this.#shared;
    // A lease that knows the attempt no more was away from it for so long that it gave it up.
    const part = shared === null ? null : await shared.bill(state);
    return usageOf(part ?? sandboxMs(state, Date.now()), this.#ports.usd_per_hour);
  }

  /** Null for a loss. */
  async #outcome({ verdict, dispatch, unmade }: AttemptState): Promise<Outcome | null> {
    if (verdict === "outcome") return this.#store.outcome();
    if (verdict !== "undeliverable" || unmade === null) return null;
    const outcome = undeliverable(unmade, Date.now());
    await this.#ports.bury(dispatch, outcome.message, unmade.tries);
    return outcome;
  }
}
