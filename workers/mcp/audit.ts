/** Writes down what tools change, and what callers may not do by them. */
import { contentOf, type Entity, outcomeOf, partsOf } from "../http/audit-record.ts";
import { asApiError } from "../http/problem.ts";
import type { Caller } from "./caller.ts";

export interface RecordedCall {
  /** Name of the tool, or of the protocol's method. */
  readonly action: string;
  /** Its arguments, as they were sent. */
  readonly sent: unknown;
  /** Whether it is written down when it is not refused. */
  readonly changes: boolean;
}

/** What a call that was not refused is told of by. */
export interface Told {
  readonly about: Entity;
  readonly after?: unknown;
}

export const NOTHING: Entity = { entity_type: null, entity_id: null };

/** Runs a call and writes it down before it answers. `tell` is null for what is no call at all. */
export async function recorded<Outcome>(
  caller: Caller,
  { action, sent, changes }: RecordedCall,
  work: () => Promise<Outcome>,
  tell: (outcome: Outcome) => Told | null,
): Promise<Outcome> {
  const shared = { action, is_entity: false, request: contentOf({ arguments: sent }) };
  let outcome: Outcome;
  try {
    outcome = await work();
  } catch (error) {
    const known = asApiError(error);
    const result = outcomeOf(known);
    if (changes || result === "denied") {
      const status = known?.status ?? 500;
      const failure = { status, outcome: result, error_code: known?.code ?? "internal" };
      await caller.record({ ...shared, ...NOTHING, ...failure, to_state: null, after: null });
    }
    throw error;
  }
  const told = changes ? tell(outcome) : null;
  if (told !== null) {
    const to_state = partsOf(told.after).state ?? null;
    const success = { status: 200, outcome: "success", error_code: null } as const;
    await caller.record({
      ...{ ...shared, ...told.about, ...success, to_state },
      after: contentOf(told.after),
    });
  }
  return outcome;
}
