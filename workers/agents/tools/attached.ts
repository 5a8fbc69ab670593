/** Runs that go on elsewhere under an id that the call decides, so that a repeated call finds its run. */
import { ApiError } from "../../http/errors.ts";
import { MAX_WAIT_SECONDS } from "../../http/prefer.ts";
import { isNotFound } from "../../runs/access.ts";
import { callSeed } from "../call-key.ts";
import type { ToolSession } from "./tool.ts";

const WAIT_MS = MAX_WAIT_SECONDS * 1000;
/** How often, and after which pauses, a run is cancelled that may not have been begun yet. */
const CANCELS = 20;
const CANCEL_PAUSE_MS = 100;

/** What the ids of a call's run derive from. */
export function seedOf({ session_id, call }: Pick<ToolSession, "session_id" | "call">): string {
  return callSeed(session_id, call.key);
}

export interface Elsewhere<Found> {
  /** Begins it unless it has begun, and waits so long for its end. */
  begin(wait_ms: number): Promise<Found>;
  /** As it stands, begun before; null where `begin` itself finds that in any case. */
  readonly find: (() => Promise<Found>) | null;
  isOver(found: Found): boolean;
  cancel(): Promise<unknown>;
}

/** The run at its end; null when the call was stopped, and the run with it. */
export async function untilOver<Found>(
  run: Elsewhere<Found>,
  signal: AbortSignal,
): Promise<Found | null> {
  const stopped = new Promise<null>((resolve) => {
    if (signal.aborted) resolve(null);
    signal.addEventListener("abort", () => resolve(null), { once: true });
  });
  for (;;) {
    const found = await Promise.race([beginOrFind(run), stopped]);
    if (found === null) {
      await cancel(run);
      return null;
    }
    if (run.isOver(found)) return found;
  }
}

/** What it names may be gone by the time that a call is repeated; its run goes on all the same. */
async function beginOrFind<Found>(run: Elsewhere<Found>): Promise<Found> {
  try {
    return await run.begin(WAIT_MS);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500 || run.find === null) throw error;
    const found = await run.find().catch((missing: unknown) => {
      if (isNotFound(missing)) return null;
      throw missing;
    });
    if (found === null) throw error;
    if (!run.isOver(found)) await scheduler.wait(CANCEL_PAUSE_MS);
    return found;
  }
}

async function cancel(run: Pick<Elsewhere<unknown>, "cancel">): Promise<void> {
  for (let turn = 0; turn < CANCELS; turn += 1) {
    try {
      await run.cancel();
      return;
    } catch (error) {
      // One that has ended by itself cannot be cancelled any more.
      if (!isNotFound(error)) return;
      await scheduler.wait(CANCEL_PAUSE_MS);
    }
  }
}
