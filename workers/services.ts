/** The composition root: builds every feature's service from the bindings of an environment. */
import type { Config } from "./config.ts";
import type { Router, Services } from "./http/context.ts";
import { KeyRepository } from "./keys/repository.ts";
import { keyRoutes } from "./keys/routes.ts";
import { KeyService } from "./keys/service.ts";
import { PIPELINE_KIND } from "./pipelines/kind.ts";
import { pipelineRoutes } from "./pipelines/routes.ts";
import { PipelineRunService } from "./pipelines/run-service.ts";
import { createPipelineService } from "./pipelines/service.ts";
import { RunnerAccess } from "./runners/access.ts";
import { RunnerRepository } from "./runners/repository.ts";
import { runnerRoutes } from "./runners/routes.ts";
import { runnerProtocolRoutes } from "./runners/runner-routes.ts";
import { RunnerService } from "./runners/service.ts";
import { RunnerWork } from "./runners/work.ts";
import { createRunClient } from "./runs/client.ts";
import { secretRoutes } from "./secrets/routes.ts";
import { SecretService } from "./secrets/service.ts";
import { forgetKey } from "./security/authenticate.ts";
import { TASK_KIND } from "./tasks/kind.ts";
import { taskRoutes } from "./tasks/routes.ts";
import { createTaskService } from "./tasks/service.ts";

/** What `app.ts` mounts under `/api/v1`. */
export const featureRouters: readonly Router[] = [
  taskRoutes(),
  pipelineRoutes(),
  keyRoutes(),
  secretRoutes(),
  runnerRoutes(),
  runnerProtocolRoutes(),
];

/** Called once an environment; what it returns lives as long as the isolate. */
export function buildServices(env: Env, config: Config): Services {
  const runners = new RunnerRepository(env.DB);
  const pipelineRuns = createRunClient(env.RUN_COORDINATOR, PIPELINE_KIND, "own");
  return {
    tasks: createTaskService({
      config,
      database: env.DB,
      blobs: env.BLOBS,
      runs: createRunClient(env.RUN_COORDINATOR, TASK_KIND),
    }),
    pipelines: createPipelineService({
      config,
      database: env.DB,
      blobs: env.BLOBS,
      runs: pipelineRuns,
    }),
    pipelineRuns: new PipelineRunService({ blobs: env.BLOBS, runs: pipelineRuns }),
    keys: new KeyService(new KeyRepository(env.DB), (keyId) => forgetKey(config, keyId)),
    secrets: new SecretService(env.DB, config),
    runners: new RunnerService(runners, env.RUNNER_POOL),
    runnerAccess: new RunnerAccess(runners, env.RUNNER_POOL),
    runnerWork: new RunnerWork(env.RUNNER_POOL, env.BLOBS),
  };
}
