/** Answers what is asked about the symbols of a snapshot. */
import { ApiError } from "../http/errors.ts";
import type { Principal } from "../security/principal.ts";
import { badCursor } from "./bad-cursor.ts";
import type { BadCursor } from "./index/reading/pinned.ts";
import type { DiffRequest } from "./index/understanding/diff-query.ts";
import type { ImportsRequest } from "./index/understanding/imports-query.ts";
import type { MapRequest } from "./index/understanding/map-query.ts";
import type { ReferencesRequest } from "./index/understanding/references-query.ts";
import type { SymbolsRequest } from "./index/understanding/symbols-query.ts";
import type { Index } from "./ingest.ts";
import { noSnapshot } from "./no-snapshot.ts";
import type { CodebaseService } from "./service.ts";

const SHOWN_CHARS = 200;

export class UnderstandingService {
  readonly #codebases: CodebaseService;

  constructor(codebases: CodebaseService) {
    this.#codebases = codebases;
  }

  async symbols(principal: Principal, id: string, request: SymbolsRequest) {
    const index = await this.#open(principal, id);
    const answer = await index.symbols(request);
    if (answer.status === "found") return answer;
    if (answer.status === "no_snapshot") return noSnapshot(index, request.snapshot);
    throw refused(answer);
  }

  async outline(principal: Principal, id: string, snapshot: string | null, path: string) {
    const index = await this.#open(principal, id);
    const answer = await index.outline(snapshot, path);
    if (answer.status === "found") return answer;
    if (answer.status === "no_snapshot") return noSnapshot(index, snapshot);
    throw noFile(path);
  }

  async references(principal: Principal, id: string, request: ReferencesRequest) {
    const index = await this.#open(principal, id);
    const answer = await index.references(request);
    const { symbol, snapshot, line } = request;
    const path = request.path ?? "";
    switch (answer.status) {
      case "found":
        return answer;
      case "no_snapshot":
        return noSnapshot(index, snapshot);
      case "no_file":
        throw noFile(path);
      case "no_definition": {
        const what = `"${path.slice(0, SHOWN_CHARS)}" does not define "${symbol}"`;
        throw new ApiError(
          "not_found",
          answer.lines.length === 0
            ? `${what}. GET …/symbols?name= says which files do.`
            : `${what} at line ${line}, but at ${answer.lines.join(", ")}.`,
        );
      }
      case "invalid_cursor":
        throw refused(answer);
    }
  }

  async imports(principal: Principal, id: string, request: ImportsRequest) {
    const index = await this.#open(principal, id);
    const answer = await index.imports(request);
    if (answer.status === "found") return answer;
    if (answer.status === "no_snapshot") return noSnapshot(index, request.snapshot);
    throw answer.status === "no_file" ? noFile(request.path ?? "") : refused(answer);
  }

  async map(principal: Principal, id: string, request: MapRequest) {
    const index = await this.#open(principal, id);
    const answer = await index.map(request);
    if (answer.status === "found") return answer;
    if (answer.status === "no_snapshot") return noSnapshot(index, request.snapshot);
    throw noFile(answer.path);
  }

  async diff(principal: Principal, id: string, request: DiffRequest) {
    const index = await this.#open(principal, id);
    const answer = await index.diff(request);
    if (answer.status === "found") return answer;
    if (answer.status === "no_snapshot") return noSnapshot(index, answer.name);
    throw refused(answer);
  }

  async #open(principal: Principal, id: string): Promise<Index> {
    return (await this.#codebases.open(principal, id)).index;
  }
}

function noFile(path: string): ApiError {
  return new ApiError(
    "not_found",
    `The snapshot has no file "${path.slice(0, SHOWN_CHARS)}". GET …/files lists those it has.`,
  );
}

function refused({ fault }: BadCursor): ApiError {
  const foreign =
    "It is not a cursor of this question, or the words of more files are known since. Send `next_cursor` unchanged, with the same question, or begin again without it.";
  return badCursor(fault, "query.cursor", foreign);
}
