/** Skills that steps invoke: as definitions name them, and as runs are pinned to them. */

import type { ParentRef } from "./store-types.ts";

/** One version, which never changes. */
export interface SkillPin {
  readonly skill_id: string;
  readonly slug: string;
  readonly number: number;
  readonly version: string;
  readonly digest: string;
}

/** Where a definition names a skill. */
export interface NamedSkill {
  /** Path of the member, such as `tasks[2].skill`. */
  readonly place: string;
  /** `slug`, or `slug@version`. */
  readonly reference: string;
}

export type SkillPinning =
  | {
      readonly pin: SkillPin;
      /** Scopes that the version needs of whoever has it invoked. */
      readonly needs: readonly string[];
      readonly problem: null;
    }
  /** Says what to do. */
  | { readonly pin: null; readonly problem: string };

/** An invocation that is made for a step of a run. */
export interface InvocationOrder {
  readonly pin: SkillPin;
  /** Scopes of whoever wrote the definition: the skill may need no more. */
  readonly grants: readonly string[];
}

export interface InvocationOrigin {
  /** Who asked for the run above, as `kind:id`; null when nobody noted it. */
  readonly invoked_by: string | null;
  readonly parent: ParentRef;
}

/** A resource that is made for a step. */
export interface NewResource {
  readonly kind: string;
  /** JSON text. */
  readonly document: string;
}

/** What the engine asks of skills. */
export interface SkillPorts {
  /** What the references of a project stand for now, in their order. */
  pin(projectId: string, references: readonly string[]): Promise<readonly SkillPinning[]>;
  /**
   * The resource that an invocation with these inputs, JSON text, is. Throws `StepNotReady` when
   * there cannot be one.
   */
  invocation(
    projectId: string,
    order: InvocationOrder,
    origin: InvocationOrigin,
    inputs: string,
  ): Promise<NewResource>;
}

/** What a run is pinned to, by reference. */
export type SkillPins = Readonly<Record<string, SkillPin>>;
