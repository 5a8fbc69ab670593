/**
 * Kills sandboxes that nobody waits for any more: those whose object was lost, or whose create was
 * answered too late. What the owner still wants, or cannot be asked about, is left alone.
 */

import type { AttemptOwner, Dispatch } from "../detached.ts";
import { SANDBOX_BACKEND } from "./backend.ts";
import { deploymentLabels, readLabels } from "./labels.ts";
import type { ListedSandbox, SandboxService } from "./sandbox.ts";

export interface StrayPorts {
  readonly service: SandboxService;
  readonly deployment: string;
  owner(placement: Dispatch["placement"], resourceId: string): AttemptOwner;
}

export interface StrayReport {
  readonly looked_at: number;
  readonly killed: number;
}

/** Sandboxes in one sweep; the list is in no order that keeps others behind them. */
const MAX_SANDBOXES = 100;
/** Younger ones may still be announced to their object. */
const MIN_AGE_MS = 60_000;

async function isStray({ labels }: ListedSandbox, { owner }: StrayPorts): Promise<boolean> {
  const named = readLabels(labels);
  // It is this deployment's, and yet nothing that it could have made.
  if (named === null) return true;
  const { placement, ref } = named;
  const claim = await owner(placement, ref.resource_id).claimAttempt(ref, SANDBOX_BACKEND, "e2b");
  return claim.status === "fenced";
}

/** Resolves with what was done; one that fails is left to the next sweep. */
export async function killStrays(
  ports: StrayPorts,
  now: number,
  minAgeMs = MIN_AGE_MS,
): Promise<StrayReport> {
  const all = await ports.service.list(deploymentLabels(ports.deployment), MAX_SANDBOXES);
  const old = all.filter(({ started_at }) => now - started_at >= minAgeMs);
  const kills = await Promise.allSettled(
    old.map(async (sandbox) => {
      if (!(await isStray(sandbox, ports))) return false;
      await ports.service.kill(sandbox.id);
      return true;
    }),
  );
  const killed = kills.filter((kill) => kill.status === "fulfilled" && kill.value).length;
  return { looked_at: old.length, killed };
}
