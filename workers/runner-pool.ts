/** Wires the pools of runners: how they reach coordinators and secrets. */
import { loadConfig } from "./config.ts";
import { RunnerPoolBase } from "./executors/runner/pool.ts";
import type { PoolPorts } from "./executors/runner/pool-types.ts";
import { SHARED_POOL } from "./executors/runner/pools.ts";
import { savePoolFigures } from "./operations/executor-figures.ts";
import { ownerOf } from "./runs/attempt-owner.ts";
import { createSecretResolver } from "./secrets/resolver.ts";

export const poolPorts: PoolPorts = {
  owner: (env, placement, resourceId) => ownerOf(env.RUN_COORDINATOR, placement, resourceId),
  sharedPool: (env) => env.RUNNER_POOL.getByName(SHARED_POOL),
  publish: (env, pool, figures) => savePoolFigures(env.DB, pool, figures, Date.now()),
  secrets: (env) => createSecretResolver(env.DB, loadConfig(env)),
};

export class RunnerPool extends RunnerPoolBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, poolPorts);
  }
}
