/** What calls of tools are known by elsewhere, and what they make there. */
import { resourceId, seedFrom } from "../runs/address.ts";
import type { CallRef } from "./machine/call-types.ts";

/** The same for every run of the call. */
export function callKey(sessionId: string, { turn, step, call }: CallRef): string {
  return `${sessionId}/${turn}/${step}/${call}`;
}

/** What the ids of what the call makes derive from. */
export function callSeed(sessionId: string, key: string): string {
  return seedFrom(sessionId, `call/${key}`);
}

/** The resource that the call makes. */
export function madeByCall(sessionId: string, projectId: string, ref: CallRef): string {
  return resourceId(callSeed(sessionId, callKey(sessionId, ref)), projectId);
}
