/** Everything that can be done with the runs of a pipeline. */
import type { Json } from "../executors/port.ts";
import { ApiError, notFound } from "../http/errors.ts";
import { isNotFound, RunAccess } from "../runs/access.ts";
import { artifactPrefix } from "../runs/blobs.ts";
import type { RunClient } from "../runs/client.ts";
import { graphOf, type RunGraph } from "../runs/graph.ts";
import type { LogQuery, LogSlice } from "../runs/logs.ts";
import { readPins } from "../runs/pins.ts";
import type { RerunInput } from "../runs/requests.ts";
import type {
  RerunPlan,
  RunInspection,
  RunSummary,
  Snapshot,
  StepDetail,
} from "../runs/store-types.ts";
import type { EventSource } from "../runs/streaming.ts";
import type { AttemptView } from "../runs/views.ts";
import { askedBy, callerOf, type Principal } from "../security/principal.ts";
import { readDocument } from "./document.ts";
import type { RunInputs } from "./inputs.ts";
import { PIPELINE_KIND } from "./kind.ts";
import type { FoundPipeline } from "./service.ts";
import {
  type ListedStep,
  type StepPage,
  type StepPageQuery,
  startOf,
  stepPage,
} from "./step-page.ts";
import { explainRun, type RunExplanation } from "./why.ts";

export interface StartRun {
  readonly trigger: "start" | "execute";
  readonly inputs: RunInputs | undefined;
  readonly wait_ms: number;
}

export interface RetryRun extends RerunInput {
  /** In place of the inputs of the step `from`. */
  readonly inputs: Json | undefined;
  readonly wait_ms: number;
}

export interface Approval {
  readonly step: string | null;
  readonly approved: boolean;
  readonly comment: string | null;
}

export interface FoundStep {
  readonly detail: StepDetail;
  readonly result: Json;
  readonly attempts: readonly AttemptView[];
}

/** Which run of which pipeline; null is the newest, for actions the newest live one. */
export interface RunRef {
  readonly id: string;
  readonly run: number | null;
}

export interface PipelineRunServiceDependencies {
  readonly blobs: R2Bucket;
  readonly runs: RunClient;
}

export class PipelineRunService {
  readonly #runs: RunClient;
  readonly #blobs: R2Bucket;
  readonly #access: RunAccess;

  constructor({ blobs, runs }: PipelineRunServiceDependencies) {
    this.#runs = runs;
    this.#blobs = blobs;
    this.#access = new RunAccess(runs, blobs, PIPELINE_KIND);
  }

  /** Begins a run and waits for its end as long as the caller does. */
  async start(
    principal: Principal,
    id: string,
    seed: string,
    { trigger, inputs, wait_ms }: StartRun,
  ): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    return this.#found(
      await this.#runs.execute(id, {
        wait_ms,
        request_id: seed,
        inputs: JSON.stringify(inputs ?? {}),
        trigger,
        ...askedBy(principal),
      }),
    );
  }

  async retry(
    principal: Principal,
    id: string,
    seed: string,
    { inputs, wait_ms, ...which }: RetryRun,
  ): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    const step_inputs = inputs === undefined ? null : JSON.stringify(inputs);
    return this.#found(
      await this.#runs.retry(id, {
        ...which,
        wait_ms,
        request_id: seed,
        step_inputs,
        ...askedBy(principal),
      }),
    );
  }

  /** What `retry` would do. */
  async planRetry(principal: Principal, id: string, which: RerunInput): Promise<RerunPlan> {
    await this.#access.permit(principal, id);
    return this.#runs.planRetry(id, which);
  }

  async pause(
    principal: Principal,
    { id, run }: RunRef,
    mode: "boundary" | "now",
  ): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    return this.#found(await this.#runs.pause(id, run, mode));
  }

  async resume(principal: Principal, { id, run }: RunRef): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    return this.#found(await this.#runs.resume(id, run));
  }

  async cancel(principal: Principal, { id, run }: RunRef): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    return this.#found(await this.#runs.cancel(id, run, callerOf(principal)));
  }

  async approve(
    principal: Principal,
    { id, run }: RunRef,
    approval: Approval,
  ): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    const by = callerOf(principal);
    return this.#found(await this.#runs.approve(id, run, { ...approval, by }));
  }

  async signal(
    principal: Principal,
    { id, run }: RunRef,
    seed: string,
    signal: { readonly name: string; readonly payload: Json },
  ): Promise<FoundPipeline> {
    await this.#access.permit(principal, id);
    const payload = JSON.stringify(signal.payload);
    return this.#found(
      await this.#runs.signal(id, run, { name: signal.name, payload, request_id: seed }),
    );
  }

  /** Up to `limit` runs below `before`, newest first. */
  async list(
    principal: Principal,
    id: string,
    before: number | null,
    limit: number,
  ): Promise<readonly RunSummary[]> {
    await this.#access.permit(principal, id);
    return this.#runs.runs(id, before, limit);
  }

  /** The run with its inputs and outputs. Throws `not_found` for one that was never begun. */
  async get(principal: Principal, ref: RunRef) {
    const { inspection, snapshot } = await this.#inspect(principal, ref);
    const outputs = await this.#access.result(snapshot.result);
    const inputs: Json = inspection.inputs === null ? null : JSON.parse(inspection.inputs);
    const codebases = Object.values(readPins(inspection.pins).codebases);
    return { summary: inspection.summary, outputs, inputs, codebases };
  }

  async inspect(principal: Principal, ref: RunRef): Promise<RunInspection> {
    return (await this.#inspect(principal, ref)).inspection;
  }

  /** A page of the steps of a run, or of its cursor's; null for a pipeline that was never run. */
  async steps(
    principal: Principal,
    { id, run, project_id }: RunRef & { readonly project_id?: string | undefined },
    page: StepPageQuery,
    wanted: (step: ListedStep) => boolean,
  ): Promise<StepPage | null> {
    const start = startOf(page, run);
    const { resource, run: found } = await this.#access.read(principal, id, start.run);
    if (resource.project_id !== (project_id ?? resource.project_id)) {
      throw notFound(PIPELINE_KIND, id);
    }
    if (!found) return null;
    const inspection = await this.#runs.inspect(resource.id, found.run);
    return stepPage(inspection, wanted, start.index, page.limit);
  }

  async graph(principal: Principal, ref: RunRef, now: number) {
    const inspection = await this.inspect(principal, ref);
    const graph: RunGraph = graphOf(inspection, now);
    return { inspection, graph };
  }

  /** Null for a pipeline that was never run. */
  async why(
    principal: Principal,
    { id, run }: RunRef,
    now: number,
  ): Promise<RunExplanation | null> {
    const { resource } = await this.#access.read(principal, id, run);
    if (resource.run === 0) return null;
    const inspection = await this.#runs.inspect(id, run);
    const { tasks } = readDocument(inspection.document).definition;
    const facts = {
      pipelineOf: (step: number) => tasks[step]?.pipeline ?? null,
      isAgent: (step: number) => (tasks[step]?.agent ?? null) !== null,
    };
    return explainRun(inspection, facts, now);
  }

  async step(principal: Principal, { id, run }: RunRef, name: string): Promise<FoundStep> {
    const detail = await this.#step(principal, { id, run }, name);
    // What an earlier run did is told by that run's attempts.
    const by = detail.state.reused_from?.run ?? run;
    const [result, attempts] = await Promise.all([
      this.#access.result(detail.result),
      this.#runs.attempts(id, by),
    ]);
    return { detail, result, attempts };
  }

  log(principal: Principal, id: string, query: LogQuery): Promise<LogSlice> {
    return this.#access.log(principal, id, query);
  }

  events(principal: Principal, { id, run }: RunRef, after: number): Promise<EventSource | null> {
    return this.#access.events(principal, id, run, after);
  }

  async artifacts(principal: Principal, { id, run }: RunRef): Promise<Snapshot["artifacts"]> {
    const { artifacts } = await this.#access.read(principal, id, run);
    return artifacts;
  }

  /** A file that a step kept, also when this run took it over from an earlier one. */
  async artifact(
    principal: Principal,
    { id, run }: RunRef,
    name: string,
    path: string,
  ): Promise<R2ObjectBody> {
    const { resource, run: summary } = await this.#access.read(principal, id, run);
    const { artifacts, state, name: step } = await this.#step(principal, { id, run }, name);
    const stored = artifacts.find((artifact) => artifact.path === path);
    const by = state.reused_from?.run ?? summary?.run ?? resource.run;
    const object = stored
      ? await this.#blobs.get(
          `${artifactPrefix({ resource, run: by, step, epoch: stored.epoch })}${path}`,
        )
      : null;
    if (object) return object;
    throw new ApiError(
      "not_found",
      `The step "${name.slice(0, 200)}" kept no artifact "${path.slice(0, 200)}". GET the run's /artifacts to see those that were kept.`,
    );
  }

  async #inspect(principal: Principal, { id, run }: RunRef) {
    const snapshot = await this.#access.read(principal, id, run);
    if (!snapshot.run) throw neverRun(id);
    return { snapshot, inspection: await this.#runs.inspect(id, snapshot.run.run) };
  }

  async #step(principal: Principal, { id, run }: RunRef, name: string): Promise<StepDetail> {
    const { snapshot } = await this.#inspect(principal, { id, run });
    return this.#runs.step(id, snapshot.run?.run ?? run, name).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      throw new ApiError(
        "not_found",
        `The run has no step "${name.slice(0, 200)}". GET the run's /steps to see its names; an item of a matrix is called name[0].`,
      );
    });
  }

  async #found(snapshot: Snapshot): Promise<FoundPipeline> {
    return { snapshot, outputs: await this.#access.result(snapshot.result) };
  }
}

/** What is said of the runs of a pipeline that has none. */
export function neverRun(id: string): ApiError {
  return new ApiError(
    "not_found",
    `The pipeline ${id} has not been run yet. POST its /start or /execute.`,
  );
}
