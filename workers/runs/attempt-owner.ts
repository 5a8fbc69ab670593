/** A coordinator as backends call it. What passes is JSON text: values of tasks are of any shape. */
import type {
  AttemptOwner,
  Claim,
  DetachedRef,
  DetachedReport,
  DetachedType,
  DispatchOwner,
  Fenced,
  ReportAnswer,
} from "../executors/detached.ts";
import { objectOf, type Placement } from "./address.ts";

/** What of a coordinator's stub backends need. */
export interface OwnerStub extends DispatchOwner {
  claimAttempt(ref: DetachedRef, by: string, type: DetachedType): Promise<string>;
  reportAttempt(ref: DetachedRef, reports: string): Promise<ReportAnswer>;
  artifactPlace(
    ref: DetachedRef,
    path: string,
  ): Promise<Fenced | { readonly status: "wanted"; readonly key: string }>;
}

export type Owner = AttemptOwner & DispatchOwner;

/** Both ends are of one deployment, or of two that follow each other: the shapes only grow. */
export function ownerOf(
  namespace: { getByName(name: string): OwnerStub },
  placement: Placement,
  resourceId: string,
): Owner {
  const stub = () => namespace.getByName(objectOf(resourceId, placement));
  return {
    async claimAttempt(ref, by, type) {
      const claim: Claim = JSON.parse(await stub().claimAttempt(ref, by, type));
      return claim;
    },
    reportAttempt: (ref: DetachedRef, reports: readonly DetachedReport[]) =>
      stub().reportAttempt(ref, JSON.stringify(reports)),
    artifactPlace: (ref, path) => stub().artifactPlace(ref, path),
    attemptUnavailable: (ref, type, by) => stub().attemptUnavailable(ref, type, by),
    attemptReturned: (ref, type, by) => stub().attemptReturned(ref, type, by),
    attemptUndeliverable: (ref, message) => stub().attemptUndeliverable(ref, message),
  };
}
