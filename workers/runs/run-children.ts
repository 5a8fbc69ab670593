/** Steps that are runs of other resources, and runs that are steps of others: both ends of the wire. */
import { logWarning } from "../http/log.ts";
import { objectOf, type Placement } from "./address.ts";
import { isReset, patiently } from "./patiently.ts";
import type { ChildAddress, StepWork } from "./ports.ts";
import { isResting } from "./rest.ts";
import { fitsInline, inlineResult } from "./results.ts";
import type { RunHost } from "./run-host.ts";
import type { SkillPorts } from "./skills.ts";
import { hasEnded, isInFlight, isTerminal } from "./state.ts";
import type { RunStore } from "./store.ts";
import type { LiveRun, ParentRef, Resource } from "./store-types.ts";
import { type ChildReport, type ChildStart, refusal, requestOf, SubRuns } from "./sub-runs.ts";
import type { AttemptResult, StoredResult } from "./types.ts";

/** Reports of ended children sent by one alarm. */
const REPORTS_PER_ALARM = 20;

type RunWork = Extract<StepWork, { type: "run" }>;

export interface ChildPorts {
  readonly skills: SkillPorts;
  /** How objects of resources of a kind are found. */
  placement(kind: string): Placement;
}

/** Place of a run in the queue for a slot; null when it is not known. */
type Position = (live: LiveRun) => number | null;

export class RunChildren {
  readonly #host: RunHost;
  readonly #store: RunStore;
  readonly #sub: SubRuns;
  readonly #ports: ChildPorts;
  /** Children that are being begun, by the request that does. */
  readonly #begun = new Map<string, { isStopped: boolean }>();
  /** Runs that are steps of others and have said that they rest. */
  readonly #resting = new Set<LiveRun>();
  /** The newest of what each says to the run above it, while that is on its way. */
  readonly #onTheWay = new Map<LiveRun, Promise<void>>();

  constructor(host: RunHost, env: Env, store: RunStore, ports: ChildPorts) {
    this.#host = host;
    this.#store = store;
    this.#ports = ports;
    this.#sub = new SubRuns(
      {
        child: ({ resource_id, placement }) =>
          placement === "agent"
            ? env.AGENT_SESSION.getByName(resource_id)
            : env.RUN_COORDINATOR.getByName(objectOf(resource_id, placement)),
        parent: ({ resource_id, placement = "own" }) =>
          env.RUN_COORDINATOR.getByName(objectOf(resource_id, placement)),
      },
      env.BLOBS,
    );
  }

  /** Begins the run that a step is, or asks after it. */
  async begin(live: LiveRun, step: number, epoch: number, work: RunWork): Promise<void> {
    const parent = this.#parentRef(live, step, epoch);
    const begun = { isStopped: false };
    const isWanted = () =>
      this.#isOpen(live, step, epoch) && live.state.steps[step]?.stopping === null;
    this.#begun.set(requestOf(parent), begun);
    const { child, inputs, invocation = null, made_of: known = null } = work;
    try {
      const { project_id } = live.resource;
      const { triggered_by, trace, pins } = live;
      const origin = { invoked_by: triggered_by, parent };
      const made_of =
        invocation === null
          ? known
          : await this.#ports.skills.invocation(project_id, invocation, origin, inputs);
      const { resource_id, placement } = child;
      const start = { resource_id, project_id, made_of, parent, inputs, triggered_by, trace, pins };
      const report = await patiently(async () =>
        isWanted() ? this.#sub.begin(start, placement) : null,
      );
      // Repeated, since the stop that overtook the begin may not have come through.
      if (begun.isStopped) await this.stop(live, step, epoch, child);
      else if (report) await this.reported(report);
    } catch (error) {
      if (isReset(error)) {
        // The dispatch is sent again when its lease runs out.
        logWarning("sub_run_unreachable", error, { resource_id: live.resource.id });
        return;
      }
      const message = error instanceof Error ? error.message : String(error);
      const code = error instanceof Error ? String(Reflect.get(error, "code") ?? "") : "";
      await this.reported(refusal(parent, code || "not_begun", message));
    } finally {
      this.#begun.delete(requestOf(parent));
    }
  }

  /** Cancels the run that a step is; what it comes to is reported by it. */
  async stop(live: LiveRun, step: number, epoch: number, child: ChildAddress): Promise<void> {
    const parent = this.#parentRef(live, step, epoch);
    const begun = this.#begun.get(requestOf(parent));
    if (begun) begun.isStopped = true;
    try {
      await this.reported(await patiently(() => this.#sub.cancel(child, parent)));
    } catch (error) {
      // Not confirmed in time, the stop is reported as unconfirmed.
      logWarning("sub_run_not_stopped", error, { resource_id: live.resource.id });
    }
  }

  /** Takes what a child says of itself. */
  async reported({ parent, result, outputs, resting, usage }: ChildReport): Promise<void> {
    const { resource_id, run, step, epoch } = parent;
    const live = this.#host.runs.find(resource_id, run)?.live;
    if (!live) return;
    if (result === null) {
      const known = resting === undefined ? {} : { resting };
      this.#host.tell(live, { type: "heartbeat", step, epoch, ...known });
      return;
    }
    let stored: StoredResult | null = null;
    if (outputs !== null) {
      stored = fitsInline(outputs)
        ? inlineResult(outputs)
        : await this.#host.results.keep(live, `${step}.${epoch}`, JSON.parse(outputs));
    }
    this.#host.commit((now) => {
      const state = live.state.steps[step];
      if (state?.epoch === epoch && !hasEnded(state)) live.results.set(step, stored);
      this.#host.drive(live, { type: "attempt_finished", step, epoch, result, usage }, now);
    });
  }

  /**
   * Tells the parent that a run has come to rest, once each time, so that no slot is kept for it.
   * One that does not hear of it asks when it has heard nothing for long, which says it again.
   */
  noteRest(live: LiveRun): void {
    const { parent } = live;
    if (!parent || isTerminal(live.state) || !isResting(live)) this.#resting.delete(live);
    else if (!this.#resting.has(live)) {
      this.#resting.add(live);
      void this.#inTurn(live, () => this.#sayRest(live, parent));
    }
  }

  /** Says again what the parent may not have heard. */
  repeatRest(live: LiveRun): void {
    this.#resting.delete(live);
    this.noteRest(live);
  }

  /**
   * The place in the queue for the slot that a child goes on under, from 1; 0 once that is held,
   * null for no answer. The parent takes it that the child goes on from then.
   */
  placeUnder(live: LiveRun, parent: ParentRef): Promise<number | null> {
    return this.#inTurn(live, async () =>
      live.state.slot === "none" ? null : this.#sub.goesOn(parent).catch(() => null),
    );
  }

  /** A child wants to go on, or does: 0 when the run here has its slot, else the place in the queue. */
  goesOn({ resource_id, run, step, epoch }: ParentRef, positionOf: Position): number {
    const live = this.#host.runs.find(resource_id, run)?.live;
    // Nobody waits for a child whose step has ended: what it still does is not held up.
    if (!live || !this.#isOpen(live, step, epoch)) return 0;
    const state = live.state.steps[step];
    if (state?.resting && !state.stopping)
      this.#host.tell(live, { type: "heartbeat", step, epoch, resting: false });
    const hasSlot = !live.plan.slotted || live.state.slot === "held";
    return hasSlot ? 0 : (positionOf(live) ?? 1);
  }

  /** What a run that is a step of another has to say; null when it has no parent. */
  describe(resource: Resource, run: number): ChildReport | null {
    const live = this.#host.runs.find(resource.id, run)?.live;
    const found = live ?? this.#store.runs.get(resource.id, run);
    if (!found?.parent) return null;
    const { status, error } = found.state;
    const result: AttemptResult | null =
      status === "completed"
        ? { status, exit_code: null }
        : status === "cancelled"
          ? { status }
          : status === "failed"
            ? {
                status,
                reason: "error",
                exit_code: null,
                ...this.#host.kind(resource).failureAbove(resource, run, error),
              }
            : null;
    return { parent: found.parent, result, outputs: null };
  }

  /** Tells the parent of a run that has ended. */
  async report(resource: Resource, run: number): Promise<void> {
    const report = this.describe(resource, run);
    if (!report) return;
    try {
      const stored = this.#store.runs.get(resource.id, run);
      await this.#sub.tell(report, stored?.result ?? null);
      this.#store.runs.markTold(resource.id, run);
    } catch (error) {
      logWarning("parent_not_told", error, { resource_id: resource.id });
    }
  }

  /** Tells the parents that have not heard yet; resolves to whether all have. */
  async reportAll(): Promise<boolean> {
    const untold = this.#store.runs.untold(REPORTS_PER_ALARM);
    for (const { resource_id, run } of untold) {
      const resource = this.#store.resource(resource_id);
      if (resource) await this.report(resource, run);
    }
    return this.#store.runs.untold(1).length === 0;
  }

  /** One thing after the other: what is said to a parent must not arrive after what follows it. */
  #inTurn<T>(live: LiveRun, say: () => Promise<T>): Promise<T> {
    const said = (this.#onTheWay.get(live) ?? Promise.resolve()).then(say);
    const done = said.then(
      () => undefined,
      () => undefined,
    );
    this.#onTheWay.set(live, done);
    void done.then(() => {
      if (this.#onTheWay.get(live) === done) this.#onTheWay.delete(live);
    });
    return said;
  }

  async #sayRest(live: LiveRun, parent: ParentRef): Promise<void> {
    try {
      await patiently(async () => {
        if (!isResting(live)) return;
        await this.#sub.tell({ parent, result: null, resting: true }, null);
      });
    } catch (error) {
      logWarning("parent_not_told", error, { resource_id: live.resource.id });
    }
  }

  #parentRef(live: LiveRun, step: number, epoch: number): ParentRef {
    const depth = (live.parent?.depth ?? 0) + 1;
    const placement = this.#ports.placement(live.resource.kind);
    return { resource_id: live.resource.id, run: live.run, step, epoch, depth, placement };
  }

  #isOpen(live: LiveRun, step: number, epoch: number): boolean {
    const state = live.state.steps[step];
    return state !== undefined && isInFlight(state) && state.epoch === epoch;
  }
}

export { type ChildReport, type ChildStart, requestOf };
