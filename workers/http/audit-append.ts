/** Appends entries to audit logs, so that a log that does not answer fails no call. */
import { type AuditRecord, logOf } from "./audit-record.ts";
import { logError } from "./log.ts";

/** An object that does not answer within this time is asked again. */
const ATTEMPT_MS = 5_000;
/** The pauses before an entry is tried again. */
const RETRY_DELAYS_MS = [25, 100, 400];

const lost = new WeakMap<object, number>();

export function countLostEntries(env: Env, count: number): void {
  lost.set(env, (lost.get(env) ?? 0) + count);
}

/** Entries that this isolate could not write since it was last asked. */
export function takeLostEntries(env: Env): number {
  const count = lost.get(env) ?? 0;
  lost.delete(env);
  return count;
}

/**
 * Appends to the log of a project, or of the deployment for null. An entry that cannot be written is
 * logged and counted, and fails nothing: what it tells of has happened.
 */
export async function appendEntry(
  env: Env,
  projectId: string | null,
  record: AuditRecord,
): Promise<void> {
  const log = logOf(projectId);
  for (let attempt = 0; ; attempt += 1) {
    try {
      await within(ATTEMPT_MS, env.AUDIT_LOG.getByName(log).append(record));
      return;
    } catch (error) {
      const pause = RETRY_DELAYS_MS[attempt];
      if (pause === undefined) {
        reportLost(env, log, record, error);
        return;
      }
      await scheduler.wait(pause);
    }
  }
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`The audit log has not answered within ${limitMs} ms.`);
    timer = setTimeout(() => reject(error), limitMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function reportLost(env: Env, log: string, record: AuditRecord, error: unknown): void {
  countLostEntries(env, 1);
  const { id, actor, action, entity_type, entity_id, status, outcome, request_id } = record;
  const by = `${actor.kind}:${actor.id}`;
  const entry = { id, log, actor: by, action, entity_type, entity_id, status, outcome, request_id };
  logError("audit_entry_lost", error, entry);
}
