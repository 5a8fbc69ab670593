/** What changes resources and their runs, on request. Each either commits or refuses. */

import type { Engine, NewRun } from "./engine.ts";
import { allowedActions, stateOf } from "./explain.ts";
import type { Feed } from "./feed.ts";
import { isTerminal } from "./machine.ts";
import { type Pinned, pin } from "./pinning.ts";
import type { Projector } from "./projector.ts";
import type { Queries } from "./queries.ts";
import type {
  ApprovalInput,
  CreateInput,
  Refusal,
  RerunInput,
  RetryInput,
  SignalInput,
  StartInput,
} from "./requests.ts";
import { planRerun, type Rerun } from "./rerun.ts";
import { inlineResult } from "./results.ts";
import type { StoredRun } from "./run-table.ts";
import { indexOf, nameOf, openApprovals } from "./state.ts";
import type { RunStore } from "./store.ts";
import type { EventRow, LiveRun, RerunPlan, Resource, Snapshot, Trigger } from "./store-types.ts";
import { bareSnapshot } from "./views.ts";

/** `cancel` answers when the code has stopped, or after this long. */
const CANCEL_WAIT_MS = 2_000;

type Answer = Promise<Snapshot | Refusal>;

const NOT_FOUND: Refusal = { refused: "not_found" };
const BUSY: Refusal = { refused: "busy" };
/** Stands for the request of what code of an attempt begins. */
const NESTED = "nested";
const UNPINNED: Pinned = { pins: null, issues: [] };

export type NewResourceInput = Omit<CreateInput, "start">;

interface PlannedRetry {
  readonly resource: Resource;
  readonly stored: StoredRun;
  readonly from: number | null;
  readonly rerun: Rerun;
}

export class Commands {
  readonly #store: RunStore;
  readonly #engine: Engine;
  readonly #queries: Queries;
  readonly #projector: Projector;
  readonly #feed: Feed<EventRow>;

  constructor(
    store: RunStore,
    engine: Engine,
    queries: Queries,
    projector: Projector,
    feed: Feed<EventRow>,
  ) {
    this.#store = store;
    this.#engine = engine;
    this.#queries = queries;
    this.#projector = projector;
    this.#feed = feed;
  }

  async create(input: CreateInput): Answer {
    const { start } = input;
    const pinned = start ? await this.pinned(input.id, start, { created: input }) : UNPINNED;
    let resource = this.#queries.find(input.id);
    if (!resource?.run && pinned.issues.length > 0) return refusedBy(pinned);
    if (start && !resource?.run && this.#engine.runs.isFull) return BUSY;
    if (!resource && input.is_nested && this.#store.exists() && this.#isStopped(input.id)) {
      const detail = "What invoked it has ended, so that it is not begun.";
      return { refused: "illegal", detail, state: "cancelled", allowed: [] };
    }
    if (!resource) {
      resource = this.#engine.commit((now) => this.#insert(input, pinned.pins, now));
    } else if (start && resource.run === 0) {
      this.#begin(resource, { ...toRun(start), pins: pinned.pins });
    }
    const wait = start?.wait_ms ?? 0;
    const outcome = await this.#queries.outcome(resource.id, wait, resource.run);
    return outcome ?? bareSnapshot(resource);
  }

  async execute(id: string, input: StartInput): Answer {
    const pinned = await this.pinned(id, input);
    const resource = this.#queries.find(id);
    if (!resource) return NOT_FOUND;
    const repeated = this.#runOf(id, input.request_id);
    if (repeated === null) {
      const refusal = this.#refusesRun(resource, input);
      if (refusal) return refusal;
      if (pinned.issues.length > 0) return refusedBy(pinned);
      const run = { ...toRun(input), pins: pinned.pins };
      if (this.#engine.planned(resource, resource.version).plan.slotted) {
        return this.#executeSlotted(id, input, run, resource.run + 1);
      }
      this.#begin(resource, run);
    }
    return this.#outcome(id, input.wait_ms, repeated ?? resource.run);
  }

  /** Takes a slot first, if one is free: all may have changed when the answer comes. */
  async #executeSlotted(id: string, input: StartInput, begun: NewRun, run: number): Answer {
    const before = this.#queries.find(id);
    const priority = before ? this.#engine.kind(before).priority(before) : 0;
    await this.#engine.slots.reserve(id, run, priority);
    const resource = this.#queries.find(id);
    const repeated = resource && this.#runOf(id, input.request_id);
    const refusal = resource && repeated === null ? this.#refusesRun(resource, input) : null;
    const isBegun = resource !== null && repeated === null && refusal === null;
    if (isBegun) this.#begin(resource, begun);
    const { slot = "none" } = this.#engine.runs.find(id, run)?.live.state ?? {};
    await this.#engine.slots.unreserve(id, run, slot !== "none");
    if (!resource) return NOT_FOUND;
    return refusal ?? this.#outcome(id, input.wait_ms, repeated ?? resource.run);
  }

  #refusesRun(resource: Resource, input: StartInput): Refusal | null {
    const { issues, concurrent } = this.#engine
      .kind(resource)
      .admit(resource, input.inputs ?? null);
    if (!concurrent && this.#engine.runs.find(resource.id, null)) {
      return this.#illegal(resource, "It is running already.");
    }
    if (issues.length > 0) return { refused: "inputs", issues };
    return this.#engine.runs.isFull ? BUSY : null;
  }

  async retry(id: string, input: RetryInput): Answer {
    const found = this.#queries.find(id);
    if (!found) return NOT_FOUND;
    const repeated = this.#runOf(id, input.request_id);
    if (repeated !== null) return this.#outcome(id, input.wait_ms, repeated);
    const planned = this.#planRetry(id, input);
    if ("refused" in planned) return planned;
    const { resource, stored, from, rerun } = planned;
    if (!this.#queries.mayRetry(resource)) {
      const detail = `All ${resource.retry_count} retries are used up. Raise max_retries with PATCH, or execute it again.`;
      return this.#illegal(resource, detail);
    }
    if (this.#engine.runs.isFull) return BUSY;
    resource.retry_count += 1;
    const step = from === null ? null : (stored.state.steps[from]?.group ?? from);
    const json = input.step_inputs ?? null;
    this.#begin(resource, {
      ...toRun(input, "retry"),
      retry_of: stored.run,
      version: this.#engine.kind(resource).versioned ? stored.version : resource.version,
      inputs: stored.inputs,
      pins: stored.pins,
      step_inputs: json !== null && step !== null ? { step, json } : stored.step_inputs,
      rerun,
    });
    return this.#outcome(id, input.wait_ms, resource.run);
  }

  planRetry(id: string, input: RerunInput): RerunPlan | Refusal {
    const planned = this.#planRetry(id, input);
    if ("refused" in planned) return planned;
    const { resource, stored, rerun } = planned;
    const plan = this.#queries.planOf(resource, stored.version);
    const name = (index: number) => nameOf(plan, rerun.state, index);
    return {
      run: resource.run + 1,
      retry_of: stored.run,
      rerun: rerun.rerun.map(name),
      reuse: [...rerun.reuse.keys()].filter((index) => !rerun.rerun.includes(index)).map(name),
    };
  }

  /** `repeated` says that an earlier call was cut off, which may have cancelled it already. */
  async cancel(
    id: string,
    run: number | null,
    repeated: boolean,
    triggeredBy: string | null,
  ): Answer {
    const resource = this.#queries.find(id);
    if (!resource) return NOT_FOUND;
    const live = this.#engine.runs.find(id, run)?.live;
    if (live) this.#engine.tell(live, { type: "cancel" });
    else if (resource.run === 0) {
      this.#begin(resource, {
        trigger: "cancel",
        triggered_by: triggeredBy,
        retry_of: null,
        request_id: null,
        awaited: true,
      });
    } else {
      const stored = this.#queries.numbered(resource, run);
      if (!stored) return NOT_FOUND;
      if (!repeated || stored.state.status !== "cancelled") {
        return this.#illegal(resource, "It has ended already.");
      }
    }
    return this.#outcome(id, CANCEL_WAIT_MS, live?.run ?? run ?? resource.run);
  }

  /** Cancels what is live of a resource; what is not there yet will not be created. */
  async cancelNested(id: string): Promise<void> {
    if (this.#queries.find(id)) await this.cancel(id, null, true, null);
    else this.#engine.commit((now) => this.#store.stopped.add(id, NESTED, now));
  }

  #isStopped(id: string): boolean {
    return this.#store.stopped.has(id, NESTED);
  }

  async pause(id: string, run: number | null, mode: "boundary" | "now"): Answer {
    return this.#control(id, run, (live) => {
      this.#engine.tell(live, { type: "pause", mode });
      return null;
    });
  }

  async resume(id: string, run: number | null): Answer {
    return this.#control(id, run, (live) => {
      if (!live.state.pause_requested) return "It is not paused.";
      this.#engine.tell(live, { type: "resume" });
      return null;
    });
  }

  async approve(id: string, run: number | null, input: ApprovalInput): Answer {
    return this.#control(id, run, (live) => {
      const open = openApprovals(live);
      const wanted = input.step === null ? null : indexOf(live.plan, live.state, input.step);
      const step = input.step === null && open.length === 1 ? open[0] : wanted;
      if (step === null || step === undefined || !open.includes(step)) {
        const names = open.map((index) => nameOf(live.plan, live.state, index));
        return names.length === 0
          ? "No step of it waits for an approval."
          : `Name the step: ${names.slice(0, 20).join(", ")} ${names.length === 1 ? "waits" : "wait"} for an approval.`;
      }
      const { approved, by, comment } = input;
      this.#engine.commit((now) => {
        live.results.set(step, inlineResult(JSON.stringify({ approved, by, comment })));
        this.#engine.drive(live, { type: "approve", step, approved, by, comment }, now);
      });
      return null;
    });
  }

  async signal(id: string, run: number | null, input: SignalInput): Answer {
    return this.#control(id, run, (live) => {
      const signalId = input.request_id ?? crypto.randomUUID();
      this.#engine.commit((now) => {
        const isNew = this.#store.runs.addSignal(id, live.run, signalId, input.payload);
        if (!isNew) return;
        this.#engine.drive(live, { type: "signal", name: input.name, id: signalId }, now);
      });
      return null;
    });
  }

  async edit(id: string, document: string, version: number, revision: number | null): Answer {
    const resource = this.#queries.find(id);
    if (!resource) return NOT_FOUND;
    const kind = this.#engine.kind(resource);
    if (!kind.versioned && this.#engine.runs.find(id, null)) {
      return this.#illegal(resource, "It cannot be changed while it runs. Cancel it or wait.");
    }
    const { changed_seq } = resource;
    if (resource.version !== version || (revision ?? changed_seq) !== changed_seq) {
      return { refused: "version", current: changed_seq };
    }
    this.#engine.commit((now) => {
      resource.document = document;
      resource.version += 1;
      this.#store.saveDocument(resource, kind.versioned);
      const data = { version: resource.version };
      this.#engine.append(resource, resource.run, { at: now, type: "resource.updated", data });
    });
    return (await this.#queries.snapshot(id, null)) ?? NOT_FOUND;
  }

  async remove(id: string, revision: number | null): Promise<{ readonly removed: true } | Refusal> {
    const resource = this.#queries.find(id);
    if (!resource) return NOT_FOUND;
    if (this.#engine.runs.find(id, null)) {
      return this.#illegal(resource, "It cannot be deleted while it runs. Cancel it first.");
    }
    if (revision !== null && revision !== resource.changed_seq) {
      return { refused: "version", current: resource.changed_seq };
    }
    this.#engine.commit(() => this.#store.deleteResource(resource));
    this.#projector.deleted(id);
    this.#feed.dismiss(id);
    return { removed: true };
  }

  #planRetry(id: string, input: RerunInput): PlannedRetry | Refusal {
    const resource = this.#queries.find(id);
    const stored = this.#queries.numbered(resource, input.run ?? null);
    if (!resource || (input.run && !stored)) return NOT_FOUND;
    if (!stored || !isTerminal(stored.state) || this.#engine.runs.find(id, null)) {
      const detail = stored ? "It is still running." : "It was never run.";
      return this.#illegal(resource, detail);
    }
    const plan = this.#queries.planOf(resource, stored.version);
    const name = input.from ?? null;
    const from = name === null ? null : indexOf(plan, stored.state, name);
    if (name !== null && from === null) {
      return { refused: "unknown_step", step: name, known: plan.steps.map((step) => step.name) };
    }
    if (from === null && stored.state.status === "completed") {
      const detail = this.#engine.kind(resource).versioned
        ? "Nothing of it failed. Name a step in `from` to run that and what depends on it again."
        : "Only a run that failed or was cancelled can be retried.";
      return this.#illegal(resource, detail);
    }
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    return { resource, stored, from, rerun: planRerun(plan, stored.state, stored.run, from, seed) };
  }

  /** Does something to a live run; `act` answers with why it cannot be done, or null. */
  async #control(id: string, run: number | null, act: (live: LiveRun) => string | null): Answer {
    const resource = this.#queries.find(id);
    if (!resource) return NOT_FOUND;
    const live = this.#engine.runs.find(id, run)?.live;
    if (!live) {
      if (run !== null && !this.#queries.numbered(resource, run)) return NOT_FOUND;
      const detail = resource.run === 0 ? "It was never run." : "It has ended already.";
      return this.#illegal(resource, detail);
    }
    const problem = act(live);
    if (problem !== null) return this.#illegal(resource, problem);
    return this.#outcome(id, 0, live.run);
  }

  /**
   * What a run that begins now is pinned to. A resource that is not there yet is `created`; a request
   * that has begun its run already pins nothing. `inherited` is what the run above is pinned to.
   */
  async pinned(
    id: string,
    { request_id, inputs = null }: Pick<StartInput, "request_id" | "inputs">,
    {
      created = null,
      inherited = null,
    }: { readonly created?: NewResourceInput | null; readonly inherited?: string | null } = {},
  ): Promise<Pinned> {
    for (;;) {
      const found = this.#queries.find(id);
      if (found && this.#runOf(id, request_id) !== null) return UNPINNED;
      const resource = found ?? (created && newResource(created, Date.now()));
      if (!resource) return UNPINNED;
      const kind = this.#engine.kind(resource);
      const named = {
        codebases: kind.codebases(resource, inputs),
        skills: kind.skills(resource),
      };
      const { project_id, version } = resource;
      const pinned = pin(this.#engine, project_id, named, inherited);
      if (!(pinned instanceof Promise)) return pinned;
      const answer = await pinned;
      // Another definition came between: it may mount others.
      if ((this.#queries.find(id)?.version ?? version) === version) return answer;
    }
  }

  #insert(input: CreateInput, pins: string | null, now: number): Resource {
    const resource = newResource(input, now);
    this.add(resource, now);
    if (input.start) this.#engine.beginRun(resource, { ...toRun(input.start), pins }, now);
    return resource;
  }

  /** Stores a new resource; to be called inside a commit. */
  add(resource: Resource, now: number): void {
    this.#engine.addResource(resource);
    this.#engine.append(resource, 0, { at: now, type: "resource.created", data: {} });
  }

  #begin(resource: Resource, run: NewRun): void {
    this.#engine.commit((now) => this.#engine.beginRun(resource, run, now));
  }

  /** The run that this very request began, before a crash or a lost reply. */
  #runOf(id: string, requestId: string | null): number | null {
    return requestId === null ? null : this.#store.runs.ofRequest(id, requestId);
  }

  async #outcome(id: string, ms: number, run: number): Answer {
    return (await this.#queries.outcome(id, ms, run)) ?? NOT_FOUND;
  }

  #illegal(resource: Resource, detail: string): Refusal {
    const { versioned, actions } = this.#engine.kind(resource);
    const state = stateOf(this.#queries.newest(resource));
    const allowed = allowedActions(actions, state, this.#queries.mayRetry(resource));
    const shown = versioned && state === "pending" ? "draft" : state;
    return { refused: "illegal", detail, state: shown, allowed };
  }
}

function refusedBy({ issues }: Pinned): Refusal {
  return { refused: "references", issues };
}

export function newResource(
  { id, kind, project_id, document }: NewResourceInput,
  now: number,
): Resource {
  return {
    ...{ id, kind, project_id, document },
    ...{ version: 1, run: 0, retry_count: 0 },
    ...{ created_at: now, updated_at: now, changed_seq: 0 },
  };
}

function toRun(input: StartInput, trigger: Trigger = input.trigger ?? "execute"): NewRun {
  const { request_id, wait_ms, inputs = null, triggered_by = null, trace = null } = input;
  return { trigger, triggered_by, trace, retry_of: null, request_id, awaited: wait_ms > 0, inputs };
}
