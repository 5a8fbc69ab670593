/** The pool's own SQLite tables, and how their rows are read. */
import { z } from "zod";
import { DETACHED_TYPES } from "../detached.ts";
import { TASK_TYPES } from "../port.ts";
import { type FinalReport, POOL_STATES } from "./pool-types.ts";

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS attempts (
  attempt TEXT PRIMARY KEY, epoch INTEGER NOT NULL, resource_id TEXT NOT NULL, run INTEGER NOT NULL,
  step INTEGER NOT NULL, placement TEXT NOT NULL, project_id TEXT NOT NULL, task_type TEXT NOT NULL,
  state TEXT NOT NULL, priority INTEGER NOT NULL, queued_at INTEGER NOT NULL, runs_on TEXT NOT NULL,
  timeout_ms INTEGER NOT NULL, runner_id TEXT, lease_until INTEGER NOT NULL DEFAULT 0,
  is_graced INTEGER NOT NULL DEFAULT 0, is_started_told INTEGER NOT NULL DEFAULT 0,
  output INTEGER NOT NULL DEFAULT 0, stop TEXT, final TEXT, blob_keys TEXT NOT NULL DEFAULT '[]',
  patient INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_queue ON attempts (priority DESC, queued_at, attempt)
  WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS attempts_active ON attempts (runner_id)
  WHERE state IN ('assigned', 'running');
CREATE INDEX IF NOT EXISTS attempts_leases ON attempts (state, lease_until);
CREATE TABLE IF NOT EXISTS runners (
  runner_id TEXT PRIMARY KEY, name TEXT NOT NULL, is_revoked INTEGER NOT NULL DEFAULT 0,
  boot_id TEXT, version TEXT, labels TEXT NOT NULL DEFAULT '[]', task_types TEXT,
  unavailable TEXT NOT NULL DEFAULT '{}', slots INTEGER NOT NULL DEFAULT 0,
  is_draining INTEGER NOT NULL DEFAULT 0, seen_at INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nonces (
  runner_id TEXT NOT NULL, nonce TEXT NOT NULL, expires_at INTEGER NOT NULL,
  PRIMARY KEY (runner_id, nonce)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonces_by_expiry ON nonces (expires_at);
CREATE TABLE IF NOT EXISTS kept (
  attempt TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (attempt, path)
) WITHOUT ROWID;
`;

/**
 * Columns that came after the first version of a table, which CREATE TABLE leaves as it is. Rows of
 * before are given the default: a dispatch that was queued then waits on, as it was to.
 */
export const LATER_COLUMNS = [
  { table: "attempts", column: "patient", definition: "INTEGER NOT NULL DEFAULT 1" },
] as const;

const flag = z.number().transform((value) => value !== 0);
const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);
const strings = json(z.array(z.string()));
/** Written by this object alone, as a FinalReport. */
const finalReport = z.custom<FinalReport>((value) => typeof value === "object" && value !== null);

export const attemptRow = z.object({
  attempt: z.string(),
  epoch: z.number(),
  resource_id: z.string(),
  run: z.number(),
  step: z.number(),
  placement: z.enum(["shared", "own"]),
  project_id: z.string(),
  task_type: z.enum(DETACHED_TYPES),
  patient: flag,
  state: z.enum(POOL_STATES),
  priority: z.number(),
  queued_at: z.number(),
  runs_on: strings,
  timeout_ms: z.number(),
  runner_id: z.string().nullable(),
  lease_until: z.number(),
  is_graced: flag,
  is_started_told: flag,
  output: z.number(),
  stop: z.enum(["cancel", "timeout"]).nullable(),
  final: json(finalReport).nullable(),
  blob_keys: strings,
});

export const queuedRow = z.object({
  attempt: z.string(),
  task_type: z.enum(DETACHED_TYPES),
  runs_on: strings,
  priority: z.number(),
  queued_at: z.number(),
});

export const queuedCount = z.object({
  project_id: z.string(),
  task_type: z.enum(DETACHED_TYPES),
  count: z.number(),
});

export const typeRow = z.object({ task_type: z.enum(DETACHED_TYPES) });

/** What waiting dispatches ask of a runner, each once. */
export const demandRow = z.object({ task_type: z.enum(DETACHED_TYPES), runs_on: strings });

export const runnerRow = z.object({
  runner_id: z.string(),
  name: z.string(),
  is_revoked: flag,
  boot_id: z.string().nullable(),
  version: z.string().nullable(),
  labels: strings,
  task_types: json(z.array(z.enum(TASK_TYPES))).nullable(),
  unavailable: json(z.partialRecord(z.enum(TASK_TYPES), z.string())),
  slots: z.number(),
  is_draining: flag,
  seen_at: z.number().nullable(),
});
