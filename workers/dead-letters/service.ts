/** Lists dispatches that could not be delivered, and retries the runs that failed by them. */
import { DISPATCH_UNDELIVERABLE } from "../executors/detached.ts";
import { ApiError, notFound } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import { type Page, type Position, readPage, toPage } from "../http/page.ts";
import { callerOf, type Principal, visibleProjects } from "../security/principal.ts";
import type { DeadLetterFilter, DeadLetterRepository, DeadLetterRow } from "./repository.ts";
import type { NewestRun, RetriesByKind } from "./retries.ts";
import { type Redriven, type RedrivenItem, type RedriveRequest, toDocument } from "./schemas.ts";

export interface ListDeadLetters extends Omit<DeadLetterFilter, "projects"> {
  readonly project_id: string | null;
}

/** What became of a run: the number of the next one, or why there is none. */
type Fate = { readonly run: number } | { readonly reason: string };

export class DeadLetterService {
  readonly #repository: DeadLetterRepository;
  readonly #retries: RetriesByKind;

  constructor(repository: DeadLetterRepository, retries: RetriesByKind) {
    this.#repository = repository;
    this.#retries = retries;
  }

  async list(
    principal: Principal,
    { project_id, ...filter }: ListDeadLetters,
    page: Page,
    url: string,
  ) {
    const projects = visibleProjects(principal, project_id);
    const rows = await this.#repository.list({ ...filter, projects }, page);
    return toPage(rows, page, url, positionOf, toDocument);
  }

  async get(principal: Principal, id: string) {
    const row = await this.#repository.find(visibleProjects(principal), id);
    if (row === null) throw notFound("dead letter", id);
    return toDocument(row);
  }

  async remove(principal: Principal, id: string): Promise<void> {
    const isGone = await this.#repository.remove(visibleProjects(principal), id);
    if (!isGone) throw notFound("dead letter", id);
  }

  /**
   * Retries the runs that failed by what is asked for, oldest first. What cannot be retried is
   * skipped with the reason and stays.
   */
  async redrive(
    principal: Principal,
    request: RedriveRequest,
    url: string,
    now: number,
  ): Promise<Redriven> {
    const { rows, next_cursor } = await this.#asked(principal, request, url);
    const fates = new Map<string, Fate>();
    const items: RedrivenItem[] = [];
    for (const row of rows) {
      const key = `${row.resource_id}/${row.run}`;
      const fate =
        row.redriven_at === null
          ? (fates.get(key) ?? (await this.#retry(principal, row, now)))
          : { reason: `It was redriven at ${new Date(row.redriven_at).toISOString()}.` };
      // Other steps of the run failed by something else, perhaps.
      if ("run" in fate) fates.set(key, fate);
      items.push(itemOf(row, fate));
    }
    const known = new Set(rows.map(({ id }) => id));
    for (const id of request.ids ?? []) {
      if (known.has(id)) continue;
      const { detail: reason } = notFound("dead letter", id);
      items.push({ id, resource_id: null, status: "skipped", run: null, reason });
    }
    const redriven = items.filter(({ status }) => status === "redriven").length;
    return { redriven, skipped: items.length - redriven, items, next_cursor };
  }

  async #asked(
    principal: Principal,
    { ids, project_id, task_type, resource_id, limit, cursor }: RedriveRequest,
    url: string,
  ): Promise<{ rows: readonly DeadLetterRow[]; next_cursor: string | null }> {
    if (ids !== undefined) {
      const rows = await this.#repository.named(visibleProjects(principal), ids);
      return { rows: rows.sort((left, right) => left.dead_at - right.dead_at), next_cursor: null };
    }
    const page = readPage({ limit, order: "asc", cursor }, url);
    const projects = visibleProjects(principal, project_id);
    const filter = { task_type: task_type ?? null, resource_id: resource_id ?? null };
    const rows = await this.#repository.list({ ...filter, projects, status: "open" }, page);
    const { body } = toPage(rows, page, url, positionOf, (row) => row);
    return { rows: body.items, next_cursor: body.next_cursor };
  }

  async #retry(principal: Principal, row: DeadLetterRow, now: number): Promise<Fate> {
    const { resource_id, resource_kind, run, step } = row;
    if (resource_kind === null) return { reason: "It is not known what its resource is." };
    const retries = this.#retries[resource_kind];
    if (!principal.scopes.has(retries.scope)) {
      return { reason: `Redriving a ${resource_kind} needs the scope "${retries.scope}" as well.` };
    }
    try {
      const newest = await retries.newest(principal, resource_id, step);
      if (newest?.retry_of === run) {
        // By hand, or by a call like this one that was cut off before it said so here.
        await this.#repository.setRedriven(row, callerOf(principal), now);
      }
      const problem = problemOf(row, newest);
      if (problem !== null) return { reason: problem };
      const next = await retries.retry(principal, resource_id, `redrive of run ${run}`);
      await this.#repository.setRedriven(row, callerOf(principal), now);
      return { run: next };
    } catch (error) {
      if (error instanceof ApiError) return { reason: error.detail };
      logWarning("dead_letter_not_redriven", error, { resource_id, run });
      return { reason: `The ${resource_kind} did not answer. Try again.` };
    }
  }
}

/** Why the newest run is not to be retried for this; null when it is. */
function problemOf({ run }: DeadLetterRow, newest: NewestRun | null): string | null {
  if (newest === null) return "Nothing of it was run.";
  if (newest.run !== run) {
    const what = newest.retry_of === run ? "has retried it" : "has begun since";
    return `Run ${newest.run} ${what}.`;
  }
  if (newest.status === "failed" && newest.code === DISPATCH_UNDELIVERABLE) return null;
  if (newest.status !== "failed") return `Run ${run} is ${newest.status}.`;
  return `Run ${run} failed, and not by this: the step ended with ${newest.code ?? "no error"}.`;
}

function itemOf({ id, resource_id }: DeadLetterRow, fate: Fate): RedrivenItem {
  return "run" in fate
    ? { id, resource_id, status: "redriven", run: fate.run, reason: null }
    : { id, resource_id, status: "skipped", run: null, reason: fate.reason };
}

function positionOf({ dead_at, id }: DeadLetterRow): Position {
  return { created_at: dead_at, id };
}
