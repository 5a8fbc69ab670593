/** Rows of the coordinator's tables as SQLite returns them, and what they are to the rest. */
import { newStep } from "./state.ts";
import type { EventRow, Resource, Trigger } from "./store-types.ts";
import type { RunStatus, StepState } from "./types.ts";

export type ResourceRow = Record<string, SqlStorageValue> & {
  id: string;
  kind: string;
  project_id: string;
  document: string;
  version: number;
  run: number;
  retry_count: number;
  created_at: number;
  updated_at: number;
  changed_seq: number;
};

export type RunRow = Record<string, SqlStorageValue> & {
  resource_id: string;
  run: number;
  status: RunStatus;
  /** The trigger; who asked for the run is `triggered_by`. */
  started_by: Trigger;
  triggered_by: string | null;
  /** JSON text. */
  trace: string | null;
  retry_of: number | null;
  request_id: string | null;
  created_at: number;
  state: string;
  archive: string | null;
  version: number;
  open_needs: string;
  inputs: string | null;
  step_inputs: string | null;
  pins: string | null;
  parent: string | null;
  result: string | null;
};

export type EventRecord = Record<string, SqlStorageValue> & {
  seq: number;
  run: number;
  at: number;
  type: string;
  data: string;
};

export function toResource(row: ResourceRow, document: string): Resource {
  return {
    id: row.id,
    kind: row.kind,
    project_id: row.project_id,
    document,
    version: row.version,
    run: row.run,
    retry_count: row.retry_count,
    created_at: row.created_at,
    updated_at: row.updated_at,
    changed_seq: row.changed_seq,
  };
}

export function toEvent(row: EventRecord): EventRow {
  return { seq: row.seq, run: row.run, at: row.at, type: row.type, data: row.data };
}

const UNBEGUN = Object.entries(newStep(0, null, null));

/** A step as text: only what differs from one that has not begun, since most of a step is that. */
export function packStep(step: StepState): string {
  const packed: Record<string, unknown> = {};
  for (const [key, initial] of UNBEGUN) {
    const value: unknown = Reflect.get(step, key);
    if (value !== initial || key === "open_needs") packed[key] = value;
  }
  return JSON.stringify(packed);
}

/** The step from its text, or one that has not begun when nothing was written of it. */
export function unpackStep(text: string | undefined, openNeeds: number): StepState {
  const initial = newStep(openNeeds, null, null);
  if (text === undefined) return initial;
  const packed: Partial<StepState> = JSON.parse(text);
  return { ...initial, ...packed };
}
