/**
 * Kills sandboxes that nobody waits for any more: those whose object was lost, or whose create was
 * answered too late. What the owner still wants, or cannot be asked about, is left alone.
 */

import type { AttemptOwner, Dispatch } from "../detached.ts";
import { deploymentLabels, readLabels, readLease } from "./labels.ts";
import type { SandboxLeases } from "./lease.ts";
import type { ListedSandbox, SandboxService } from "./sandbox.ts";

export interface StrayPorts {
  readonly service: SandboxService;
  readonly deployment: string;
  owner(placement: Dispatch["placement"], resourceId: string): AttemptOwner;
  lease(key: string): SandboxLeases;
  /** Told of each that was killed. */
  killed(sandbox: ListedSandbox): Promise<void>;
}

export interface StrayReport {
  readonly looked_at: number;
  readonly killed: number;
}

/** Younger ones may still be announced to their object. */
const MIN_AGE_MS = 60_000;

async function isStray(sandbox: ListedSandbox, { owner, lease }: StrayPorts): Promise<boolean> {
  const { id, labels } = sandbox;
  const key = readLease(labels);
  if (key !== null) return !(await lease(key).holds(id));
  const named = readLabels(labels);
  // It is this deployment's, and yet nothing that it could have made.
  if (named === null) return true;
  const { placement, ref } = named;
  // No report at all changes nothing, and is fenced like any other.
  const answer = await owner(placement, ref.resource_id).reportAttempt(ref, []);
  return answer.status === "fenced";
}

/** Resolves with what was done; one that fails is left to the next sweep. */
export async function killStrays(
  ports: StrayPorts,
  now: number,
  minAgeMs = MIN_AGE_MS,
): Promise<StrayReport> {
  const killStray = async (sandbox: ListedSandbox) => {
    if (!(await isStray(sandbox, ports))) return false;
    await ports.service.kill(sandbox.id);
    await ports.killed(sandbox);
    return true;
  };
  const report = { looked_at: 0, killed: 0 };
  for await (const page of ports.service.list(deploymentLabels(ports.deployment))) {
    const old = page.filter(({ started_at }) => now - started_at >= minAgeMs);
    const kills = await Promise.allSettled(old.map(killStray));
    report.looked_at += old.length;
    report.killed += kills.filter((kill) => kill.status === "fulfilled" && kill.value).length;
  }
  return report;
}
