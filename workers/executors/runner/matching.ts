/** Which runner takes which dispatch, pure; and in words, why a dispatch still waits. */
import type { TaskType } from "../port.ts";

/** What a dispatch asks of a runner. */
export interface Demand {
  readonly task_type: TaskType;
  /** Every label that a runner has to have. */
  readonly runs_on: readonly string[];
}

/** What a runner says of itself. */
export interface Offering {
  readonly runner_id: string;
  readonly name: string;
  readonly labels: readonly string[];
  /** What it can run now; null before it has connected for the first time. */
  readonly task_types: readonly TaskType[] | null;
  /** Of each type that it was started for and cannot run now, why. */
  readonly unavailable: Readonly<Partial<Record<TaskType, string>>>;
  readonly slots: number;
  readonly is_draining: boolean;
  readonly is_connected: boolean;
}

/** A runner that takes work, with what it can take. */
export interface Candidate extends Offering {
  readonly free: number;
}

export interface Queued extends Demand {
  readonly attempt: string;
}

export interface Match {
  readonly attempt: string;
  readonly runner_id: string;
}

/** Whether the runner could carry it out now, were a slot free. */
export function fits(runner: Offering, demand: Demand): boolean {
  return (
    runner.is_connected &&
    !runner.is_draining &&
    (runner.task_types?.includes(demand.task_type) ?? false) &&
    hasLabels(runner, demand)
  );
}

/** Whether the runner is meant for the type, connected or not; one that never connected may be. */
export function isMeantFor(runner: Offering, type: TaskType): boolean {
  return (
    runner.task_types === null || runner.task_types.includes(type) || type in runner.unavailable
  );
}

function hasLabels(runner: Offering, demand: Demand): boolean {
  return demand.runs_on.every((label) => runner.labels.includes(label));
}

/**
 * Goes through the queue in its order until no slot is free. A dispatch that no free runner fits
 * holds up none behind it. `avoids` says that a runner is not to be asked again yet.
 */
export function matchQueue(
  queue: Iterable<Queued>,
  candidates: readonly Candidate[],
  avoids: (attempt: string, runnerId: string) => boolean,
): Match[] {
  const free = new Map(candidates.map(({ runner_id, free: slots }) => [runner_id, slots]));
  let left = candidates.reduce((sum, { free: slots }) => sum + Math.max(0, slots), 0);
  const matches: Match[] = [];
  if (left === 0) return matches;
  for (const queued of queue) {
    let best: Candidate | null = null;
    for (const candidate of candidates) {
      if ((free.get(candidate.runner_id) ?? 0) <= 0 || !fits(candidate, queued)) continue;
      if (avoids(queued.attempt, candidate.runner_id)) continue;
      if (best === null || goesBefore(candidate, best, free)) best = candidate;
    }
    if (best === null) continue;
    free.set(best.runner_id, (free.get(best.runner_id) ?? 0) - 1);
    matches.push({ attempt: queued.attempt, runner_id: best.runner_id });
    left -= 1;
    if (left === 0) break;
  }
  return matches;
}

/** The emptier runner first; of equals the one with fewer labels, which fewer dispatches ask for. */
function goesBefore(left: Candidate, right: Candidate, free: ReadonlyMap<string, number>): boolean {
  const byFree = (free.get(right.runner_id) ?? 0) - (free.get(left.runner_id) ?? 0);
  if (byFree !== 0) return byFree < 0;
  const byLabels = left.labels.length - right.labels.length;
  return byLabels === 0 ? left.runner_id < right.runner_id : byLabels < 0;
}

/** What a dispatch is told beside that, of a project's own pool, while a shared runner could run it. */
export function whyNotShared(type: TaskType): string {
  return `Shared runners could run it, but a project that has runners of its own for ${type} is served by these alone. If they are gone for good, remove each with DELETE /api/v1/runners/{id}: the shared ones take over with the last.`;
}

/** Why nothing that is connected can carry it out, and what to do; null when something can. */
export function whyNone(pool: string, runners: readonly Offering[], demand: Demand): string | null {
  if (runners.some((runner) => fits(runner, demand))) return null;
  const type = demand.task_type;
  if (runners.length === 0) {
    return `No runner is registered in the pool "${pool}". Register one with POST /api/v1/runners and start it; it has to run ${type}.`;
  }
  const connected = runners.filter((runner) => runner.is_connected);
  if (connected.length === 0) {
    return `No runner of the pool "${pool}" is connected (${runners.length} registered). Start one that runs ${type}.`;
  }
  const able = connected.filter(({ task_types }) => task_types?.includes(type) ?? false);
  if (able.length === 0) {
    const reasons = connected.flatMap(({ name, unavailable }) =>
      unavailable[type] === undefined ? [] : [`${name}: ${unavailable[type]}`],
    );
    return reasons.length > 0
      ? `No connected runner of the pool "${pool}" can run ${type} now. ${reasons.join("; ")}`
      : `No connected runner of the pool "${pool}" runs ${type}. Start one that does.`;
  }
  const labelled = able.filter((runner) => hasLabels(runner, demand));
  if (labelled.length === 0) {
    const labels = demand.runs_on.map((label) => `"${label}"`).join(", ");
    return `No connected runner of the pool "${pool}" that runs ${type} has all labels of runs_on: ${labels}. Start one with them, or ask for fewer.`;
  }
  return `Every runner of the pool "${pool}" that fits is draining. Start another.`;
}
