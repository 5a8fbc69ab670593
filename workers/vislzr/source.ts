/** Reads what VISLZR is shown, from those that keep it. */
import type { SessionSnapshot } from "../agents/session-port.ts";
import { isNotFound } from "../runs/access.ts";
import type { RunClient } from "../runs/client.ts";
import type { RunInspection, Snapshot } from "../runs/store-types.ts";

/** Each answers null for what is not there, or not any more. */
export interface GraphSource {
  pipeline(id: string): Promise<Snapshot | null>;
  run(pipeline: string, run: number): Promise<RunInspection | null>;
  task(id: string): Promise<Snapshot | null>;
  agent(id: string): Promise<SessionSnapshot | null>;
}

export interface SourcePorts {
  readonly tasks: Pick<RunClient, "read">;
  readonly pipelines: Pick<RunClient, "read" | "inspect">;
  readonly agents: { read(id: string): Promise<SessionSnapshot> };
}

export function graphSource({ tasks, pipelines, agents }: SourcePorts): GraphSource {
  return {
    pipeline: (id) => orNull(() => pipelines.read(id)),
    run: (id, run) => orNull(() => pipelines.inspect(id, run)),
    task: (id) => orNull(() => tasks.read(id)),
    agent: (id) => orNull(() => agents.read(id)),
  };
}

async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}
