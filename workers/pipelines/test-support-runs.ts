/** What tests of live pipelines build upon: real objects, and conditions to wait for. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import type { Json } from "../http/json.ts";
import { newSeed } from "../http/seed.ts";
import { ownObjectName, resourceId } from "../runs/address.ts";
import { createRunClient } from "../runs/client.ts";
import type { Snapshot } from "../runs/store-types.ts";
import type { StoredResult } from "../runs/types.ts";
import { writeDocument } from "./document.ts";
import { PIPELINE_KIND } from "./kind.ts";
import { definitionOf, type TaskInput } from "./test-support.ts";
import { explainRun } from "./why.ts";

export const PROJECT = "pipeline-tests";
export const runs = createRunClient(env.RUN_COORDINATOR, PIPELINE_KIND, "own");
export const stubOf = (id: string) => env.RUN_COORDINATOR.getByName(ownObjectName(id));

const PATIENCE = { timeout: 15_000, interval: 10 };
const WAIT_MS = 20_000;

type Members = Readonly<Record<string, unknown>>;

function documentOf(tasks: readonly TaskInput[], members: Members): string {
  const definition = definitionOf(tasks, members);
  return writeDocument({ definition, created_by: "test", files: {}, triggered_by: null });
}

/** Stores a pipeline that was not run; its id. */
export async function create(
  tasks: readonly TaskInput[],
  members: Members = {},
  project = PROJECT,
): Promise<string> {
  const id = resourceId(newSeed(), project);
  const document = documentOf(tasks, members);
  await runs.create({ id, kind: PIPELINE_KIND, project_id: project, document, start: null });
  return id;
}

/** Makes a new version of its definition. */
export async function edit(id: string, tasks: readonly TaskInput[], members: Members = {}) {
  const { resource } = await runs.read(id);
  return runs.edit(id, documentOf(tasks, members), resource.version, null);
}

export interface Begin {
  readonly inputs?: Json;
  readonly wait_ms?: number;
}

/** Begins a run, and waits for its end unless told otherwise. */
export function execute(id: string, { inputs = null, ...more }: Begin = {}): Promise<Snapshot> {
  const text = inputs === null ? null : JSON.stringify(inputs);
  return runs.execute(id, { wait_ms: WAIT_MS, request_id: newSeed(), inputs: text, ...more });
}

export const start = (id: string, begin: Begin = {}) => execute(id, { ...begin, wait_ms: 0 });

export async function retry(id: string, from: string | null = null, inputs?: Json) {
  const step_inputs = inputs === undefined ? null : JSON.stringify(inputs);
  return runs.retry(id, { wait_ms: WAIT_MS, request_id: newSeed(), from, step_inputs });
}

/** Creates a pipeline and runs it to its end. */
export async function run(
  tasks: readonly TaskInput[],
  members: Members = {},
  inputs: Json = null,
): Promise<Snapshot & { readonly id: string }> {
  const id = await create(tasks, members);
  return { id, ...(await execute(id, { inputs })) };
}

/** Creates a pipeline and begins a run of it; its id. */
export async function begin(tasks: readonly TaskInput[], members: Members = {}): Promise<string> {
  const id = await create(tasks, members);
  await start(id);
  return id;
}

/** States of all steps by name, items included. */
export async function states(id: string, of: number | null = null) {
  const { names, state } = await runs.inspect(id, of);
  return Object.fromEntries(names.map((name, index) => [name, state.steps[index]?.status]));
}

export async function jsonOf(stored: StoredResult | null): Promise<unknown> {
  if (stored === null) return null;
  if (stored.kind === "inline") return JSON.parse(stored.json);
  const object = await env.BLOBS.get(stored.key);
  return object === null ? undefined : object.json();
}

/** What a step came to, wherever it lies. */
export async function resultOf(id: string, step: string, of: number | null = null) {
  return jsonOf((await runs.step(id, of, step)).result);
}

/** Waits until a check of what is stored no longer throws. */
export const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, PATIENCE);

export const until = (id: string, status: string, of: number | null = null) =>
  eventually(async () => {
    const snapshot = await runs.read(id, of);
    expect(snapshot.run?.status).toBe(status);
    return snapshot;
  });

export const stepIs = (id: string, step: string, status: string, of: number | null = null) =>
  eventually(async () => {
    const detail = await runs.step(id, of, step);
    expect(detail.state.status).toBe(status);
    return detail;
  });

export async function why(id: string, of: number | null = null) {
  return explainRun(
    await runs.inspect(id, of),
    { pipelineOf: () => null, isAgent: () => false },
    Date.now(),
  );
}

export async function events(id: string, of = 1) {
  const { events: rows } = await runs.events(id, of, 0);
  return rows.flatMap(({ run: by, type, seq, data }) => {
    const parsed: Readonly<Record<string, unknown>> = JSON.parse(data);
    return by === of ? [{ type, seq, data: parsed }] : [];
  });
}

export async function eventsOfType(id: string, type: string, of = 1) {
  return (await events(id, of)).filter((event) => event.type === type).map(({ data }) => data);
}

/** Resets the object as a crash would: what it had in memory is gone, what it runs is cut off. */
export async function crash(id: string): Promise<void> {
  await runInDurableObject(stubOf(id), (_, state) => state.abort("crash")).catch(() => undefined);
}

export const SLEEP =
  "export default async (ms) => { await new Promise((done) => setTimeout(done, ms)); return ms }";
export const FAIL = "export default () => { throw new Error('no') }";
export const ECHO = "export default (input) => input";
export const RUN_ONE_FAILS =
  "export default (_, ctx) => { if (ctx.run === 1) throw new Error('no'); return ctx.run }";

export const slotLeases = () => env.LIMITS.getByName("pipelines").holders("pipelines");

/** Makes an object's tables those of version 2. */
export function downgrade(sql: SqlStorage): void {
  for (const table of ["stopped_children", "detached", "executions", "nested"])
    sql.exec(`DROP TABLE ${table}`);
  for (const column of ["triggered_by", "pins", "trace"]) {
    sql.exec(`ALTER TABLE runs DROP COLUMN ${column}`);
  }
  sql.exec("UPDATE meta SET value = '2' WHERE key = 'schema_version'");
}
