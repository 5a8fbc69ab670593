/** Wires the run engine: which kinds of resource it runs, and by which executors. */
import { loadConfig } from "./config.ts";
import { createLocalExecutor } from "./executors/local/executor.ts";
import { PIPELINE_KIND, pipelineKind } from "./pipelines/kind.ts";
import { RunCoordinatorBase } from "./runs/coordinator.ts";
import type { EnginePorts } from "./runs/ports.ts";
import { ProjectionRelayBase } from "./runs/relay.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { TASK_KIND, taskKind } from "./tasks/kind.ts";

const ports: EnginePorts = {
  kinds: { [TASK_KIND]: taskKind, [PIPELINE_KIND]: pipelineKind },
  slots: (env) => loadConfig(env).MAX_CONCURRENT_PIPELINES,
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
