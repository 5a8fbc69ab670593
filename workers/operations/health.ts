/** Readiness: really asks what the service stands on, and says which executors are usable. */
import type { Config } from "../config.ts";
import { type ExecutorState, executorStates } from "../executors/availability.ts";
import { logWarning } from "../http/log.ts";
import { authenticationSettings, isConfigured } from "../security/settings.ts";

export const CHECK_TIMEOUT_MS = 2_000;
/** Readiness is open to everyone, so that its answer is shared for this long. */
export const READY_CACHE_MS = 1_000;

export interface Check {
  readonly name:
    | "database"
    | "durable_objects"
    | "queue"
    | "blobs"
    | "dynamic_workers"
    | "authentication";
  readonly status: "ok" | "failed";
  readonly latency_ms: number;
  readonly reason: string | null;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly Check[];
  readonly executors: readonly ExecutorState[];
}

const answers = new WeakMap<Config, { readonly at: number; readonly readiness: Readiness }>();

/** Runs every check, or repeats the answer of a moment ago. */
export async function checkReadiness(env: Env, config: Config): Promise<Readiness> {
  const last = answers.get(config);
  if (last !== undefined && Date.now() - last.at < READY_CACHE_MS) return last.readiness;
  const checks = await Promise.all([
    check("database", async () => {
      await env.DB.prepare("SELECT 1").first();
      return null;
    }),
    check("durable_objects", async () => {
      await env.LIMITS.getByName("readiness").ping();
      return null;
    }),
    check("queue", async () =>
      typeof env.OUTBOX?.send === "function" ? null : "The binding OUTBOX is missing.",
    ),
    check("blobs", async () => {
      await env.BLOBS.head("readiness");
      return null;
    }),
    check("dynamic_workers", async () =>
      typeof env.LOADER?.get === "function" ? null : "The binding LOADER is missing.",
    ),
    check("authentication", async () => authenticationReason(config)),
  ]);
  const readiness = {
    ready: checks.every(({ status }) => status === "ok"),
    checks,
    executors: executorStates(config),
  };
  answers.set(config, { at: Date.now(), readiness });
  return readiness;
}

function authenticationReason(config: Config): string | null {
  const settings = authenticationSettings(config);
  const [problem] = settings.problems;
  if (problem) return `${problem.variable}: ${problem.message}`;
  return isConfigured(settings) ? null : "Set PIPELZR_ADMIN_KEY, SECRET_KEY or JWT_JWKS_URL.";
}

/** `run` returns why it failed, or null. What it throws is logged: anyone may read the answer. */
async function check(name: Check["name"], run: () => Promise<string | null>): Promise<Check> {
  const started = performance.now();
  const outcome = await Promise.race([
    run().catch((error: unknown) => {
      logWarning("readiness_check_failed", error, { check: name });
      return "It cannot be reached; the log says why.";
    }),
    scheduler.wait(CHECK_TIMEOUT_MS).then(() => `No answer within ${CHECK_TIMEOUT_MS} ms.`),
  ]);
  return {
    name,
    status: outcome === null ? "ok" : "failed",
    latency_ms: Math.round((performance.now() - started) * 100) / 100,
    reason: outcome,
  };
}
