/** Wires attempts in sandboxes: how they reach E2B, coordinators, secrets and limits. */
import { createHash } from "node:crypto";
import { buryDispatch } from "./bury.ts";
import { type Config, loadConfig } from "./config.ts";
import { executorStates } from "./executors/availability.ts";
import { readLabels, readProject } from "./executors/e2b/labels.ts";
import { SandboxLeaseBase } from "./executors/e2b/lease-object.ts";
import type { RemotePorts, RemoteWiring, SandboxLimits } from "./executors/e2b/ports.ts";
import { RemoteAttemptBase } from "./executors/e2b/remote-attempt.ts";
import type { ListedSandbox, SandboxService } from "./executors/e2b/sandbox.ts";
import { createE2BService } from "./executors/e2b/sdk.ts";
import { killStrays, type StrayReport } from "./executors/e2b/strays.ts";
import { usageOf } from "./executors/e2b/usage.ts";
import { log } from "./http/log.ts";
import { saveBill } from "./operations/executor-figures.ts";
import { ownerOf } from "./runs/attempt-owner.ts";
import { createSecretResolver } from "./secrets/resolver.ts";

/** The object of Limits, and its keys. */
const LIMITS = "e2b";
const SLOTS = "e2b-sandboxes";
const CREATES = "e2b-creates";
const WINDOW_SECONDS = 1;
const DEPLOYMENT_CHARS = 16;

export const remoteWiring: RemoteWiring = {
  of(env): RemotePorts {
    const config = loadConfig(env);
    const { service, unavailable } = serviceOf(config);
    return {
      service,
      unavailable,
      owner: (placement, resourceId) => ownerOf(env.RUN_COORDINATOR, placement, resourceId),
      bury: (dispatch, reason, tries) => buryDispatch(env, dispatch, reason, tries),
      secrets: createSecretResolver(env.DB, config),
      blobs: env.BLOBS,
      limits: limitsOf(env, config),
      default_template: config.E2B_DEFAULT_TEMPLATE,
      deployment: deploymentOf(env, config),
      usd_per_hour: config.E2B_USD_PER_HOUR,
      lease: (key) => env.SANDBOX_LEASE.getByName(key),
      shared_idle_ms: config.E2B_SHARED_IDLE_SECONDS * 1_000,
      spent: ({ resource_id, run, step, epoch }, usage) =>
        log("info", "e2b_sandbox_spent", { resource_id, run, step, epoch, ...usage }),
      bill: (bill) => saveBill(env.DB, bill, Date.now()),
    };
  },
};

export class RemoteAttempt extends RemoteAttemptBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, remoteWiring.of(env, context));
  }
}

export class SandboxLease extends SandboxLeaseBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, remoteWiring.of(env, context));
  }
}

/** Kills sandboxes of this deployment that are not wanted; null where there are none to have. */
export async function killStraySandboxes(env: Env, now: number): Promise<StrayReport | null> {
  const ports = remoteWiring.of(env, null);
  const { service, usd_per_hour, spent, bill } = ports;
  const killed = async ({ id, labels, started_at }: ListedSandbox) => {
    const usage = usageOf(Math.max(0, now - started_at), usd_per_hour);
    const named = readLabels(labels);
    if (named !== null) spent(named.ref, usage);
    const project_id = readProject(labels);
    if (project_id !== null) await bill({ id: `stray/${id}`, project_id, ...usage });
  };
  return service === null ? null : killStrays({ ...ports, service, killed }, now);
}

function serviceOf(config: Config): { service: SandboxService | null; unavailable: string | null } {
  const state = executorStates(config).find(({ type }) => type === "e2b");
  const { E2B_API_KEY: apiKey, E2B_API_URL: apiUrl, E2B_SANDBOX_URL: sandboxUrl } = config;
  if (state?.usable !== true || apiKey === null) {
    return { service: null, unavailable: state?.reason ?? null };
  }
  return { service: createE2BService({ apiKey, apiUrl, sandboxUrl }), unavailable: null };
}

function limitsOf(env: Env, config: Config): SandboxLimits {
  const { E2B_MAX_CONCURRENT: capacity, E2B_MAX_CREATES_PER_SECOND: perSecond } = config;
  const limits = () => env.LIMITS.getByName(LIMITS);
  return {
    capacity,
    async acquire(holder, priority, leaseMs) {
      const { granted, position } = await limits().acquire(
        SLOTS,
        holder,
        capacity,
        leaseMs,
        priority,
      );
      return granted ? 0 : Math.max(1, position);
    },
    release: async (holder) => limits().release(SLOTS, holder),
    async takeToken() {
      const grant = await limits().takeTokens(CREATES, 1, perSecond, WINDOW_SECONDS);
      return grant.granted > 0 ? null : grant.reset_at;
    },
  };
}

/**
 * The same for all isolates of a deployment, and another for any other one: on the platform the
 * namespace of the objects is unique, and on a machine of its own the key that was made for it.
 */
function deploymentOf(env: Env, { PIPELZR_DEV_API_KEY }: Config): string {
  const namespace = env.REMOTE_ATTEMPT.idFromName("deployment").toString();
  const hash = createHash("sha256").update(`${namespace} ${PIPELZR_DEV_API_KEY ?? ""}`);
  return hash.digest("hex").slice(0, DEPLOYMENT_CHARS);
}
