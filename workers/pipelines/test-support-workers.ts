/** Test support: pipelines on their real objects, created past HTTP. */
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { loadConfig } from "../config.ts";
import { newSeed } from "../http/seed.ts";
import { resourceId } from "../runs/address.ts";
import { createRunClient } from "../runs/client.ts";
import type { RunInspection, Snapshot } from "../runs/store-types.ts";
import type { RunStatus, StepStatus } from "../runs/types.ts";
import { parseDefinition } from "./definition.ts";
import { writeDocument } from "./document.ts";
import { PIPELINE_KIND } from "./kind.ts";

const PROJECT = "pipeline-tests";
const LIMIT = { timeout: 20_000, interval: 20 };

export const runs = createRunClient(env.RUN_COORDINATOR, PIPELINE_KIND, "own");

export interface Start {
  readonly wait_ms?: number;
  readonly inputs?: unknown;
}

/** Creates a pipeline of the given tasks; begins it, and waits for its end, unless `start` is null. */
export async function create(
  tasks: readonly object[],
  more: object = {},
  start: Start | null = {},
): Promise<Snapshot> {
  const sent = { name: "test", tasks, timeout_seconds: 60, ...more };
  const { definition, issues } = parseDefinition(sent, { config: loadConfig(env) });
  if (!definition) throw new Error(JSON.stringify(issues));
  const inputs = start?.inputs === undefined ? null : JSON.stringify(start.inputs);
  return runs.create({
    id: resourceId(newSeed(), PROJECT),
    kind: PIPELINE_KIND,
    project_id: PROJECT,
    document: writeDocument({
      definition,
      files: {},
      created_by: "test",
      triggered_by: null,
    }),
    start: start && { wait_ms: start.wait_ms ?? 20_000, request_id: newSeed(), inputs },
  });
}

/** States of the steps by name, items included. */
export async function states(id: string, run: number | null = null) {
  const { names, state } = await runs.inspect(id, run);
  const found: Record<string, StepStatus> = {};
  names.forEach((name, index) => {
    found[name] = state.steps[index]?.status ?? "pending";
  });
  return found;
}

/** JSON of a step's result, wherever it lies. */
export async function resultOf(id: string, step: string, run: number | null = null) {
  const { result } = await runs.step(id, run, step);
  if (result === null) return null;
  if (result.kind === "inline") return JSON.parse(result.json);
  const object = await env.BLOBS.get(result.key);
  return object?.json();
}

/** Waits until a run is in a state. */
export async function until(id: string, status: RunStatus, run: number | null = null) {
  await vi.waitFor(async () => expect((await runs.read(id, run)).run?.status).toBe(status), LIMIT);
}

/** Waits until what is said of a run is so. */
export async function when(id: string, holds: (run: RunInspection) => boolean) {
  await vi.waitFor(async () => expect(holds(await runs.inspect(id, null))).toBe(true), LIMIT);
}

export const isStep = (name: string, status: StepStatus) => (run: RunInspection) =>
  run.state.steps[run.names.indexOf(name)]?.status === status;

export const SLEEP = "export default (ms) => new Promise((done) => setTimeout(() => done(ms), ms))";
export const FAIL = "export default () => { throw new Error('no') }";
export const ONE = "export default () => 1";
