/** Wires what neighbours are told about: the objects that keep tasks, pipelines and agents. */
import { createSessionClient } from "./agents/client.ts";
import { sessionsIn } from "./agents/reach.ts";
import { readSubject } from "./idealzr/subjects.ts";
import type { IdealzrOptions } from "./idealzr/target.ts";
import { PIPELINE_KIND } from "./pipelines/kind.ts";
import { createRunClient } from "./runs/client.ts";
import { TASK_KIND } from "./tasks/kind.ts";
import { type GraphSource, graphSource } from "./vislzr/source.ts";

/** What evidence is about. */
export function subjectsOf(env: Env): IdealzrOptions["subject"] {
  const ports = { blobs: env.BLOBS, ...keepersOf(env) };
  return (kind, id, run) => readSubject(ports, kind, id, run);
}

/** What the graph shows. */
export function graphSourceOf(env: Env): GraphSource {
  return graphSource(keepersOf(env));
}

function keepersOf(env: Env) {
  return {
    tasks: createRunClient(env.RUN_COORDINATOR, TASK_KIND),
    pipelines: createRunClient(env.RUN_COORDINATOR, PIPELINE_KIND, "own"),
    agents: createSessionClient(sessionsIn(env.AGENT_SESSION)),
  };
}
