/** What attempts came to cost whose backends were done with them only after they had ended here. */
import type { DetachedRef, Usage } from "../executors/detached.ts";
import { storedRecord } from "./record.ts";
import type { RunHost } from "./run-host.ts";
import { nameOf } from "./state.ts";
import type { RunStore } from "./store.ts";
import type { Resource } from "./store-types.ts";
import type { RunPlan } from "./types.ts";
import { attempts } from "./views.ts";

export class LateUsage {
  readonly #host: Pick<RunHost, "runs" | "commit" | "append">;
  readonly #store: RunStore;
  readonly #planOf: (resource: Resource, version: number) => RunPlan;

  constructor(
    host: Pick<RunHost, "runs" | "commit" | "append">,
    store: RunStore,
    planOf: (resource: Resource, version: number) => RunPlan,
  ) {
    this.#host = host;
    this.#store = store;
    this.#planOf = planOf;
  }

  /** Notes it once; of an attempt that began, and whose end did not tell it. */
  note({ resource_id, run, step, epoch }: DetachedRef, usage: Usage): void {
    const live = this.#host.runs.find(resource_id, null)?.live;
    const resource = live?.resource ?? this.#store.resource(resource_id);
    const stored = resource && this.#store.runs.get(resource_id, run);
    // What is archived is not changed any more.
    if (!stored || stored.archive !== null) return;
    const name = nameOf(this.#planOf(resource, stored.version), stored.state, step);
    const known = attempts(run, storedRecord(this.#store, resource_id, run)).find(
      (view) => view.step === name && view.epoch === epoch,
    );
    if (known === undefined || known.state === "running" || known.usage !== null) return;
    const data = { step: name, attempt: known.attempt, epoch, usage: { ...usage } };
    this.#host.commit((at) =>
      this.#host.append(resource, run, { at, type: "attempt.spent", epoch, step: name, data }),
    );
  }
}
