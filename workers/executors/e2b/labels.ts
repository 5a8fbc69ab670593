/** What a sandbox's metadata says of the dispatch that it belongs to. */
import { z } from "zod";
import { attemptKey, type DetachedRef, type Dispatch } from "../detached.ts";
import type { SandboxLabels } from "./sandbox.ts";

/** On every sandbox of a deployment. */
export function deploymentLabels(deployment: string): SandboxLabels {
  return { pipelzr: "1", pipelzr_deployment: deployment };
}

/** On the sandboxes of one dispatch, and on no others. */
export function dispatchLabels(ref: DetachedRef, deployment: string): SandboxLabels {
  return {
    ...deploymentLabels(deployment),
    pipelzr_attempt: attemptKey(ref),
    pipelzr_epoch: String(ref.epoch),
  };
}

export function sandboxLabels(dispatch: Dispatch, deployment: string): SandboxLabels {
  return {
    ...dispatchLabels(dispatch, deployment),
    pipelzr_project: dispatch.project_id,
    pipelzr_placement: dispatch.placement,
  };
}

/** On the sandboxes that steps of a run share, and on no others. */
export function leaseLabels(key: string, projectId: string, deployment: string): SandboxLabels {
  return {
    ...deploymentLabels(deployment),
    pipelzr_lease: key,
    pipelzr_project: projectId,
  };
}

/** The key of the lease that labels name; null when they name none. */
export function readLease(labels: SandboxLabels): string | null {
  return labels.pipelzr_lease ?? null;
}

/** The project whose sandbox it is; null when labels name none. */
export function readProject(labels: SandboxLabels): string | null {
  return labels.pipelzr_project ?? null;
}

const labelsSchema = z.object({
  pipelzr_attempt: z.string().regex(/^.+\/\d+\/\d+$/),
  pipelzr_epoch: z.coerce.number().int().positive(),
  pipelzr_placement: z.enum(["shared", "own"]),
});

/** The dispatch that labels name; null when they name none. */
export function readLabels(
  labels: SandboxLabels,
): { readonly ref: DetachedRef; readonly placement: Dispatch["placement"] } | null {
  const parsed = labelsSchema.safeParse(labels);
  if (!parsed.success) return null;
  const parts = parsed.data.pipelzr_attempt.split("/");
  const [run, step] = parts.splice(-2).map(Number);
  if (run === undefined || step === undefined || run < 1) return null;
  return {
    ref: { resource_id: parts.join("/"), run, step, epoch: parsed.data.pipelzr_epoch },
    placement: parsed.data.pipelzr_placement,
  };
}
