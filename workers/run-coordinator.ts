/** Wires the run engine: which kinds of resource it runs, and by which executors. */
import { backendNamed } from "./backends.ts";
import { codebasePorts } from "./codebase-index.ts";
import { loadConfig } from "./config.ts";
import { executorStates } from "./executors/availability.ts";
import { leaseKey } from "./executors/e2b/lease.ts";
import { createLocalExecutor } from "./executors/local/executor.ts";
import { AttemptTally } from "./operations/attempt-tally.ts";
import { PIPELINE_KIND, pipelineKind } from "./pipelines/kind.ts";
import type { Placement } from "./runs/address.ts";
import { RunCoordinatorBase } from "./runs/coordinator.ts";
import type { EnginePorts } from "./runs/ports.ts";
import { ProjectionRelayBase } from "./runs/relay.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { TASK_KIND, taskKind } from "./tasks/kind.ts";

const ports: EnginePorts = {
  kinds: { [TASK_KIND]: taskKind, [PIPELINE_KIND]: pipelineKind },
  slots: (env) => loadConfig(env).MAX_CONCURRENT_PIPELINES,
  detached: (env) => ({
    problem(type) {
      const state = executorStates(loadConfig(env)).find((known) => known.type === type);
      if (state?.usable) return null;
      return `The executor "${type}" is not to be had here. ${state?.reason ?? ""}`.trim();
    },
    placement: placementOf,
    send: async (dispatch) => {
      await env.DISPATCH.send(dispatch, { contentType: "json" });
    },
    shared({ resource_id, run }, work) {
      if (work.task_type !== "e2b" || work.sandbox?.reuse !== "run") return null;
      const template = work.template ?? loadConfig(env).E2B_DEFAULT_TEMPLATE;
      return leaseKey({ resource_id, run, template, allow: [...work.network.allow] });
    },
    endShared: (name) => env.SANDBOX_LEASE.getByName(name).over(),
    backend: (name) => backendNamed(env, name),
  }),
  codebases: codebasePorts,
  counter: (env) => new AttemptTally(env),
  executors(env, context) {
    const config = loadConfig(env);
    return {
      local: createLocalExecutor({
        loader: env.LOADER,
        secrets: createSecretResolver(env.DB, config),
        blobs: env.BLOBS,
        egress: (props) => context.exports.Egress({ props }),
        cpuMs: config.LOCAL_CPU_MS,
      }),
    };
  },
};

/** Pipelines have an object each, tasks share those of their project. */
export function placementOf(kind: string): Placement {
  return kind === PIPELINE_KIND ? "own" : "shared";
}

/** What a resource is that is placed so. */
export function kindPlaced(placement: Placement): typeof PIPELINE_KIND | typeof TASK_KIND {
  return placement === "own" ? PIPELINE_KIND : TASK_KIND;
}

export class ProjectionRelay extends ProjectionRelayBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, ports.kinds);
  }
}

export class RunCoordinator extends RunCoordinatorBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, ports);
  }
}
