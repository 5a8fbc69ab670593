/** What an attempt in a sandbox takes from the rest of the service. */
import type { AttemptOwner, DetachedRef, Dispatch, DispatchOwner, Usage } from "../detached.ts";
import type { FileSetStore } from "../file-set.ts";
import type { SecretResolver } from "../port.ts";
import type { BlobWriter } from "./artifact-copy.ts";
import type { SandboxLeases } from "./lease.ts";
import type { SandboxService } from "./sandbox.ts";

/** The slots and the rate of creates, over the whole deployment. */
export interface SandboxLimits {
  /** The place in the queue, 0 for a slot; asking again renews either. */
  acquire(holder: string, priority: number, leaseMs: number): Promise<number>;
  release(holder: string): Promise<void>;
  /** Null when a sandbox may be created now, else when to ask again, ms since 1970. */
  takeToken(): Promise<number | null>;
  readonly capacity: number;
}

/** Whose sandbox it was: a dispatch's, or a run's for its steps. */
export interface SpentBy extends Pick<DetachedRef, "resource_id" | "run"> {
  readonly step: number | null;
  readonly epoch: number | null;
}

/** What one sandbox cost from its beginning to its end; `id` names it for good. */
export interface SandboxBill extends Usage {
  readonly id: string;
  readonly project_id: string;
}

export type RemoteOwner = AttemptOwner & Pick<DispatchOwner, "attemptUnavailable">;

export interface RemotePorts {
  /** Null, with the reason, when sandboxes are not to be had. */
  readonly service: SandboxService | null;
  readonly unavailable: string | null;
  owner(placement: Dispatch["placement"], resourceId: string): RemoteOwner;
  /** Keeps a dispatch as a dead letter; one that is kept already stays. */
  bury(dispatch: Dispatch, reason: string, tries: number): Promise<void>;
  readonly secrets: SecretResolver;
  readonly blobs: FileSetStore & BlobWriter;
  readonly limits: SandboxLimits;
  readonly default_template: string;
  /** Tells the sandboxes of this deployment from those of others on the same account. */
  readonly deployment: string;
  readonly usd_per_hour: number;
  /** Told of each sandbox that has ended, in whichever way. */
  spent(by: SpentBy, usage: Usage): void;
  /** Adds it to what was spent; one that is told again changes nothing. */
  bill(bill: SandboxBill): Promise<void>;
  /** The sandbox that steps of a run share, by the key of their lease. */
  lease(key: string): SandboxLeases;
  /** A shared sandbox ends when nobody has used it for so long. */
  readonly shared_idle_ms: number;
}

/** Makes the ports of one object, as its wiring says. */
export interface RemoteWiring {
  /** `context` is that of the object, null outside of one. */
  of(env: Env, context: DurableObjectState | null): RemotePorts;
}
