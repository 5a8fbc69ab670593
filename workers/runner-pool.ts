/** Wires the pools of runners: how they reach coordinators and secrets. */
import { loadConfig } from "./config.ts";
import type { AttemptOwner } from "./executors/detached.ts";
import { RunnerPoolBase } from "./executors/runner/pool.ts";
import type { PoolPorts } from "./executors/runner/pool-types.ts";
import { objectName, ownObjectName } from "./runs/address.ts";
import { createSecretResolver } from "./secrets/resolver.ts";

export const poolPorts: PoolPorts = {
  /** The one place where a pool meets the coordinator of a resource. */
  owner(env, placement, resourceId) {
    const name = placement === "own" ? ownObjectName(resourceId) : objectName(resourceId);
    return asOwner(env.RUN_COORDINATOR.getByName(name));
  },
  secrets: (env) => createSecretResolver(env.DB, loadConfig(env)),
};

function asOwner(stub: object): AttemptOwner {
  if (isOwner(stub)) return stub;
  throw new Error("The coordinator does not answer for attempts outside its process.");
}

function isOwner(stub: object): stub is AttemptOwner {
  return typeof Reflect.get(stub, "reportAttempt") === "function";
}

export class RunnerPool extends RunnerPoolBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, poolPorts);
  }
}
