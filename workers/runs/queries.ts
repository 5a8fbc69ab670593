/** What can be asked of a coordinator without changing anything. */
import type { Waiting } from "../executors/detached.ts";
import type { Archive } from "./archive.ts";
import type { Engine } from "./engine.ts";
import { type Explanation, explain } from "./explain.ts";
import { type LogQuery, type LogSlice, readLog, readTail } from "./logs.ts";
import { ask } from "./questions.ts";
import { liveRecord, storedRecord } from "./record.ts";
import type { EventPage, Refusal } from "./requests.ts";
import type { StoredRun } from "./run-table.ts";
import { indexOf, nameOf, openApprovals, planOf } from "./state.ts";
import type { RunStore } from "./store.ts";
import type {
  LiveRun,
  Resource,
  RunInspection,
  RunSummary,
  Snapshot,
  StepDetail,
} from "./store-types.ts";
import type { RunPlan, StoredResult } from "./types.ts";
import * as views from "./views.ts";

const EVENTS_PER_PAGE = 1_000;
/** Questions asked of others to answer one about a run. */
const MAX_QUESTIONS = 50;

export class Queries {
  readonly #store: RunStore;
  readonly #engine: Engine;
  readonly #archive: Archive;

  constructor(store: RunStore, engine: Engine, archive: Archive) {
    this.#store = store;
    this.#engine = engine;
    this.#archive = archive;
  }

  find(id: string): Resource | null {
    const live = this.#engine.liveResource(id);
    if (live) return live;
    return this.#store.exists() ? this.#store.resource(id) : null;
  }

  newest(resource: Resource): StoredRun | null {
    return resource.run === 0 ? null : this.#store.runs.get(resource.id, resource.run);
  }

  /** A run of a resource; null is the newest. */
  numbered(resource: Resource | null, run: number | null): StoredRun | null {
    return resource && this.#store.runs.get(resource.id, run ?? resource.run);
  }

  planOf(resource: Resource, version: number): RunPlan {
    return this.#engine.planned(resource, version).plan;
  }

  mayRetry(resource: Resource): boolean {
    return resource.retry_count < this.#engine.kind(resource).maxRetries(resource);
  }

  /** The resource with a run that has ended, or is as it is after `ms`; run 0 is none. */
  async outcome(id: string, ms: number, run: number): Promise<Snapshot | null> {
    const live = await this.#engine.waitForEnd(id, run, ms);
    if (!live) return this.snapshot(id, run === 0 ? null : run);
    const isRuns = this.#engine.kind(live.resource).result === "run";
    const result = isRuns
      ? this.#store.runs.ownResult(id, live.run)
      : this.#engine.results.stored(live, 0);
    return views.snapshot(live.resource, live, live.plan, liveRecord(this.#store, live), result);
  }

  async snapshot(id: string, run: number | null): Promise<Snapshot | null> {
    const resource = this.find(id);
    if (!resource) return null;
    if (run === null && resource.run === 0) return views.bareSnapshot(resource);
    const stored = this.numbered(resource, run);
    if (!stored) return null;
    const plan = this.planOf(resource, stored.version);
    const result = this.#resultOf(resource, stored);
    if (!stored.archive) {
      const record = storedRecord(this.#store, id, stored.run);
      return views.snapshot(resource, stored, plan, record, result);
    }
    const { stdout, stderr, artifacts } = await this.#archive.index(stored.archive);
    return { resource, run: views.summarise(stored, plan), result, stdout, stderr, artifacts };
  }

  async events(id: string, run: number, after: number): Promise<EventPage | Refusal> {
    const resource = this.find(id);
    if (!resource) return NOT_FOUND;
    const stored = this.#store.runs.get(id, run);
    if (!stored && run > Math.max(1, resource.run)) return NOT_FOUND;
    const ended = stored !== null && stored.state.completed_at !== null;
    const events = stored?.archive
      ? await this.#archive.events(stored.archive, after)
      : this.#store.log.read(id, after, EVENTS_PER_PAGE);
    return { events, ended };
  }

  async attempts(id: string, run: number | null): Promise<readonly views.AttemptView[] | Refusal> {
    const stored = this.numbered(this.find(id), run);
    if (!stored) return NOT_FOUND;
    if (stored.archive) return (await this.#archive.index(stored.archive)).attempts;
    return views.attempts(stored.run, storedRecord(this.#store, id, stored.run));
  }

  async log(id: string, query: LogQuery): Promise<LogSlice | Refusal> {
    const stored = this.numbered(this.find(id), query.run);
    if (!stored) return NOT_FOUND;
    if (stored.archive) return this.#archive.log(stored.archive, query);
    return readLog(storedRecord(this.#store, id, stored.run), query);
  }

  async why(id: string): Promise<Explanation | Refusal> {
    const live = this.#engine.runs.find(id, null)?.live;
    const queued = live ? await this.#queued(live, 0) : null;
    const resource = this.find(id);
    if (!resource) return NOT_FOUND;
    const { actions } = this.#engine.kind(resource);
    return explain(this.newest(resource), actions, this.mayRetry(resource), queued, Date.now());
  }

  /** What a dispatch that has not started waits for; null for any other step. */
  async #queued(live: LiveRun, step: number): Promise<Waiting | null> {
    if (live.state.steps[step]?.status !== "queued") return null;
    if (!planOf(live.plan, live.state, step).attached)
      return this.#engine.detached.waiting(live, step);
    const position = this.#engine.attempts.position(live, step);
    return { reason: "It waits for a free slot of its executor.", position };
  }

  runs(id: string, before: number | null, limit: number): readonly RunSummary[] | Refusal {
    const resource = this.find(id);
    if (!resource) return NOT_FOUND;
    return this.#store.runs
      .before(id, before ?? resource.run + 1, limit)
      .map((stored) => views.summarise(stored, this.planOf(resource, stored.version)));
  }

  async inspect(id: string, run: number | null): Promise<RunInspection | Refusal> {
    const resource = this.find(id);
    const stored = this.numbered(resource, run);
    if (!resource || !stored) return NOT_FOUND;
    const { version, state, inputs, pins } = stored;
    const live = this.#engine.runs.find(id, stored.run)?.live ?? null;
    const plan = this.planOf(resource, version);
    const queued = live ? await this.#allQueued(live) : {};
    return {
      resource,
      summary: views.summarise(stored, plan),
      document: this.#engine.planned(resource, version).document,
      inputs,
      pins,
      plan,
      state,
      names: state.steps.map((_, index) => nameOf(plan, state, index)),
      slot_position: live && this.#engine.slots.position(live),
      queued,
      questions: live ? await this.#questions(live) : {},
    };
  }

  /** What the dispatches that have not started wait for, of the first that there are. */
  async #allQueued(live: LiveRun): Promise<Record<number, Waiting>> {
    const steps = [...live.state.timed].filter(
      (step) => live.state.steps[step]?.status === "queued",
    );
    const asked = steps
      .slice(0, MAX_QUESTIONS)
      .map(async (step) => [step, await this.#queued(live, step)] as const);
    const answers = await Promise.all(asked);
    return Object.fromEntries(answers.flatMap(([step, why]) => (why ? [[step, why]] : [])));
  }

  /** What open approvals ask, of the first that there are. */
  async #questions(live: LiveRun): Promise<Record<number, string>> {
    const kind = this.#engine.kind(live.resource);
    const questions: Record<number, string> = {};
    for (const step of openApprovals(live).slice(0, MAX_QUESTIONS)) {
      const asked = await ask(this.#engine.results, live, (view) => kind.question(view, step));
      if (asked !== null) questions[step] = asked;
    }
    return questions;
  }

  async step(id: string, run: number | null, name: string): Promise<StepDetail | Refusal> {
    const resource = this.find(id);
    const stored = this.numbered(resource, run);
    if (!resource || !stored) return NOT_FOUND;
    const plan = this.planOf(resource, stored.version);
    const index = indexOf(plan, stored.state, name);
    const state = index === null ? undefined : stored.state.steps[index];
    if (index === null || !state) return NOT_FOUND;
    const known = nameOf(plan, stored.state, index);
    const counts = (by: string, epoch: number) => by === known && epoch === state.epoch;
    const origin = state.reused_from?.run ?? stored.run;
    const source = this.#store.runs.get(id, origin);
    const common = {
      index,
      name: known,
      state,
      matrix: await this.#matrixOf(id, stored, state.group, state.item),
      result: this.#store.runs.result(id, stored.run, index),
    };
    if (source?.archive) {
      const { artifacts } = await this.#archive.index(source.archive);
      const kept = artifacts.filter(({ step, epoch }) => counts(step, epoch));
      return { ...common, stdout: null, stderr: null, artifacts: kept, cache: null };
    }
    const record = storedRecord(this.#store, id, origin);
    const dispatch = { step: known, epoch: state.epoch };
    return {
      ...common,
      stdout: readTail(record, "stdout", dispatch),
      stderr: readTail(record, "stderr", dispatch),
      artifacts: views.keptArtifacts(record, counts),
      cache: views.cacheLookUp(record, counts),
    };
  }

  #resultOf(resource: Resource, stored: StoredRun): StoredResult | null {
    if (this.#engine.kind(resource).result === "run") return stored.result;
    return this.#store.runs.result(resource.id, stored.run, 0);
  }

  /** JSON text of an item's matrix value. */
  async #matrixOf(id: string, stored: StoredRun, group: number | null, item: number | null) {
    if (group === null || item === null) return null;
    const values = this.#store.runs.result(id, stored.run, group);
    if (values === null) return null;
    const list: unknown = JSON.parse(await this.#engine.results.read(values));
    return Array.isArray(list) ? JSON.stringify(list[item] ?? null) : null;
  }
}

const NOT_FOUND: Refusal = { refused: "not_found" };
