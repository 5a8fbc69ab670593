/** Reads what a snapshot holds: files, folders, contents, and searches of them. */
import { ApiError } from "../http/errors.ts";
import type { Principal } from "../security/principal.ts";
import { badCursor } from "./bad-cursor.ts";
import type { FilePageRequest, FoundFile } from "./index/reading/browser.ts";
import type { SearchAnswer, SearchRequest } from "./index/search/search-types.ts";
import type { IndexEvent, Snapshot } from "./index/types.ts";
import type { Index } from "./ingest.ts";
import { invalidQuery } from "./invalid-query.ts";
import { noSnapshot } from "./no-snapshot.ts";
import type { CodebaseService } from "./service.ts";

export type SearchQuery = Omit<SearchRequest, "codebase" | "one_of_many">;

type Found = Extract<SearchAnswer, { status: "found" }>;

export class ReadingService {
  readonly #codebases: CodebaseService;

  constructor(codebases: CodebaseService) {
    this.#codebases = codebases;
  }

  async files(principal: Principal, id: string, snapshot: string | null, request: FilePageRequest) {
    const { index } = await this.#codebases.open(principal, id);
    const answer = await index.files(snapshot, request);
    switch (answer.status) {
      case "found":
        return answer;
      case "no_folder":
        throw noFolder(request.folder);
      case "invalid_cursor":
        throw badCursor(answer.fault, "cursor", NOT_OF_FILES);
      case "no_snapshot":
        return noSnapshot(index, snapshot);
    }
  }

  async tree(principal: Principal, id: string, snapshot: string | null, path: string) {
    const { index } = await this.#codebases.open(principal, id);
    const found = (await index.tree(snapshot, path)) ?? (await noSnapshot(index, snapshot));
    if (found.status === "folder") return found;
    throw noFolder(path);
  }

  async file(
    principal: Principal,
    id: string,
    snapshot: string | null,
    path: string,
  ): Promise<Extract<FoundFile, { status: "found" }>> {
    const { index } = await this.#codebases.open(principal, id);
    const found = (await index.file(snapshot, path)) ?? (await noSnapshot(index, snapshot));
    if (found.status === "found") return found;
    throw new ApiError(
      "not_found",
      `The snapshot has no file "${path.slice(0, 200)}". GET …/files lists those it has.`,
    );
  }

  async search(principal: Principal, id: string, query: SearchQuery): Promise<Found> {
    const { index, row } = await this.#codebases.openKnown(principal, id, Date.now());
    const answer = await index.search({ ...query, codebase: row.name, one_of_many: false });
    // Before a fault is told of a codebase that is there no more.
    if (answer.status !== "found") await this.#codebases.open(principal, id);
    switch (answer.status) {
      case "found":
        return answer;
      case "invalid":
        throw invalidQuery(answer.problems);
      case "invalid_cursor":
        throw badCursor(answer.fault, "cursor", NOT_OF_QUERY);
      case "no_snapshot":
        return noSnapshot(index, query.snapshot);
    }
  }

  /** Pages of a search to its very end; the first is found before anything is answered. */
  async searchAll(
    principal: Principal,
    id: string,
    query: SearchQuery,
  ): Promise<(signal: AbortSignal) => AsyncGenerator<Found>> {
    const first = await this.search(principal, id, query);
    const next = (cursor: string) => this.search(principal, id, { ...query, cursor });
    return async function* (signal) {
      let page = first;
      yield page;
      while (page.next_cursor !== null && !signal.aborted) {
        page = await next(page.next_cursor);
        yield page;
      }
    };
  }

  /**
   * Events after one, until the caller is gone; those of one snapshot end when it has failed, or is
   * ready and all of its symbols are known.
   */
  async events(
    principal: Principal,
    id: string,
    after: number,
    snapshot: string | null,
  ): Promise<(signal: AbortSignal) => AsyncGenerator<IndexEvent>> {
    const { index } = await this.#codebases.open(principal, id);
    const known = snapshot === null ? null : await index.snapshot(snapshot);
    if (snapshot !== null && known === null) return noSnapshot(index, snapshot);
    return (signal) => follow(index, after, known?.number ?? null, signal);
  }
}

async function* follow(
  index: Index,
  after: number,
  snapshot: number | null,
  signal: AbortSignal,
): AsyncGenerator<IndexEvent> {
  let seq = after;
  while (!signal.aborted) {
    // Asked before the events are read, so that none of what led to the end is left out.
    const isOver = snapshot !== null && isSettled(await index.snapshot(String(snapshot)));
    const events = await index.events(seq, snapshot, EVENTS_PER_READ, isOver ? 0 : WAIT_MS);
    if (events === null) return;
    for (const event of events) {
      yield event;
      seq = event.seq;
    }
    if (isOver && events.length < EVENTS_PER_READ) return;
  }
}

function isSettled(snapshot: Snapshot | null): boolean {
  if (snapshot === null || snapshot.state === "failed") return true;
  return snapshot.state === "ready" && snapshot.symbols.parsed >= snapshot.symbols.of;
}

function noFolder(path: string): ApiError {
  return new ApiError(
    "not_found",
    `The snapshot has no folder "${path.slice(0, 200)}". GET …/tree lists those it has.`,
  );
}

const NOT_OF_QUERY =
  "It is not a cursor of this query; send `next_cursor` unchanged, with the same query.";
const NOT_OF_FILES =
  "It is not a cursor of this list; send `next_cursor` unchanged, with the same filters.";

const EVENTS_PER_READ = 200;
const WAIT_MS = 10_000;
