/** Wires the run engine: which kinds of resource it runs, and by which executors. */

import { z } from "zod";
import { ModelRegistry } from "./agents/models/registry.ts";
import { AGENT_KIND, AGENT_ROWS } from "./agents/session/row.ts";
import { backendNamed } from "./backends.ts";
import { codebasePorts } from "./codebase-index.ts";
import { loadConfig } from "./config.ts";
import { RESOURCE_KINDS, type ResourceKindName } from "./dead-letters/repository.ts";
import { executorStates } from "./executors/availability.ts";
import { leaseKey } from "./executors/e2b/lease.ts";
import { createLocalExecutor } from "./executors/local/executor.ts";
import { AttemptTally } from "./operations/attempt-tally.ts";
import { PIPELINE_KIND, pipelineKind } from "./pipelines/kind.ts";
import { objectOf, type Placement } from "./runs/address.ts";
import { RunCoordinatorBase } from "./runs/coordinator.ts";
import type { EnginePorts } from "./runs/ports.ts";
import { ProjectionRelayBase } from "./runs/relay.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { createOutbound } from "./security/outbound.ts";
import { createHttpCaller } from "./skills/http-caller.ts";
import { INVOCATION_KIND, invocationKind } from "./skills/kind.ts";
import { createModelCaller } from "./skills/model-caller.ts";
import { createSkillPorts } from "./skills/ports.ts";
import { skillsOf } from "./skills.ts";
import { TASK_KIND, taskKind } from "./tasks/kind.ts";

const ports: EnginePorts = {
  kinds: {
    [TASK_KIND]: taskKind,
    [PIPELINE_KIND]: pipelineKind,
    [INVOCATION_KIND]: invocationKind,
  },
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
  skills: (env) => createSkillPorts((project, named) => skillsOf(env).resolve(project, named)),
  callers(env) {
    const config = loadConfig(env);
    return {
      http: createHttpCaller({
        secrets: createSecretResolver(env.DB, config),
        outbound: createOutbound(env, config),
      }),
      model: createModelCaller(new ModelRegistry(config)),
    };
  },
  counter: (env) => new AttemptTally(env),
  executors(env, context) {
    const config = loadConfig(env);
    return {
      local: createLocalExecutor({
        loader: env.LOADER,
        secrets: createSecretResolver(env.DB, config),
        blobs: env.BLOBS,
        egress: (props) => context.exports.Egress({ props }),
        skills: (props) => context.exports.SkillGateway({ props }),
        cpuMs: config.LOCAL_CPU_MS,
      }),
    };
  },
};

/** Pipelines have an object each, tasks share those of their project. */
export function placementOf(kind: string): Placement {
  return kind === PIPELINE_KIND ? "own" : "shared";
}

/** What a resource is; null when it is not there any more. */
export async function kindOf(
  env: Env,
  id: string,
  placement: Placement,
): Promise<ResourceKindName | null> {
  const answer = await env.RUN_COORDINATOR.getByName(objectOf(id, placement)).owner(id);
  return "refused" in answer ? null : z.enum(RESOURCE_KINDS).parse(answer.kind);
}

export class ProjectionRelay extends ProjectionRelayBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, { ...ports.kinds, [AGENT_KIND]: AGENT_ROWS });
  }
}

export class RunCoordinator extends RunCoordinatorBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, ports);
  }
}
