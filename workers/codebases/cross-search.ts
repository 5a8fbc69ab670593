/** Searches the codebases of a caller's projects side by side, each until it is done or late. */
import pMap from "p-map";
import { ApiError } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import type { Page } from "../http/page.ts";
import { type Principal, visibleProjects } from "../security/principal.ts";
import type { SearchAnswer, SearchRequest } from "./index/search/search-types.ts";
import type { Index } from "./ingest.ts";
import { invalidQuery } from "./invalid-query.ts";
import { parseQuery } from "./query/parse.ts";
import { planQuery } from "./query/plan.ts";
import { leavesOf, type Query } from "./query/query.ts";
import { compilePattern } from "./query/regex.ts";
import type { CodebaseRepository, CodebaseRow } from "./repository.ts";

/** Indexes that are asked at once. */
const CONCURRENCY = 12;
/** What an answer takes to come, beside the time that an index gives itself. */
const GRACE_MS = 1_000;

type Found = Extract<SearchAnswer, { status: "found" }>;

export type CodebaseAnswer = Pick<CodebaseRow, "id" | "name"> &
  (
    | { readonly status: "searched"; readonly found: Found }
    /** It did not answer in time, or not at all: what it holds is not in the answer. */
    | { readonly status: "late" | "failed" }
    /** No snapshot of it is ready, or none of the name that was asked for. */
    | { readonly status: "empty" }
  );

export interface CrossSearch
  extends Omit<SearchRequest, "codebase" | "cursor" | "one_of_many" | "snapshot"> {
  readonly project_id: string | null;
  /** One name of a snapshot for all, such as a branch; null for the newest of each. */
  readonly snapshot: string | null;
}

export interface CrossPage {
  readonly answers: readonly CodebaseAnswer[];
  /** The rows of the page, one more when there are more. */
  readonly rows: readonly CodebaseRow[];
}

export interface CrossSearchDeps {
  readonly repository: CodebaseRepository;
  readonly index: (codebaseId: string) => Index;
}

export class CrossSearchService {
  readonly #deps: CrossSearchDeps;

  constructor(deps: CrossSearchDeps) {
    this.#deps = deps;
  }

  /** `tell` hears of each codebase as soon as it has answered. Throws `validation_failed`. */
  async search(
    principal: Principal,
    { project_id, ...request }: CrossSearch,
    page: Page,
    tell: (answer: CodebaseAnswer) => void = () => undefined,
  ): Promise<CrossPage> {
    const query = checked(request);
    const projects = visibleProjects(principal, project_id);
    const rows = await this.#deps.repository.list({ projects, name: null }, page);
    const asked = rows.slice(0, page.limit).filter(({ name }) => mayBe(name, query));
    const answers = await pMap(
      asked,
      async (row) => {
        const answer = await this.#ask(row, request);
        tell(answer);
        return answer;
      },
      { concurrency: CONCURRENCY },
    );
    return { answers, rows };
  }

  async #ask(row: CodebaseRow, request: Omit<CrossSearch, "project_id">): Promise<CodebaseAnswer> {
    const { id, name } = row;
    const late = new AbortController();
    const searching = this.#deps
      .index(id)
      .search({ ...request, codebase: name, cursor: null, one_of_many: true })
      .then((answer): CodebaseAnswer => {
        if (answer.status === "found") return { id, name, status: "searched", found: answer };
        return { id, name, status: answer.status === "no_snapshot" ? "empty" : "failed" };
      });
    const waiting = scheduler
      .wait(request.deadline_ms + GRACE_MS, { signal: late.signal })
      .then((): CodebaseAnswer => ({ id, name, status: "late" }));
    waiting.catch(() => undefined);
    try {
      return await Promise.race([searching, waiting]);
    } catch (error) {
      logWarning("codebase_not_searched", error, { codebase_id: id });
      return { id, name, status: "failed" };
    } finally {
      late.abort();
    }
  }
}

/** A query with a fault is refused before any index is asked. */
function checked({ query: text, syntax }: Pick<CrossSearch, "query" | "syntax">): Query {
  const { query, problems } = parseQuery(text, syntax);
  if (problems !== null) throw invalidQuery(problems);
  const { problems: faults } = planQuery(query, { syntax });
  if (faults !== null) throw invalidQuery(faults);
  for (const { leaf } of leavesOf(query)) {
    if (leaf.kind !== "diff") continue;
    const message = "diff: compares snapshots of one codebase. Search that one by itself.";
    throw new ApiError("validation_failed", message, { issues: [{ path: "q", message }] });
  }
  return query;
}

/** False for a codebase whose name the query rules out: its index need not be woken for that. */
function mayBe(name: string, query: Query): boolean {
  const operands = query.kind === "and" ? query.operands : [query];
  return operands.every((operand) => {
    const isNegated = operand.kind === "not";
    const leaf = isNegated ? operand.operand : operand;
    if (leaf.kind !== "repo") return true;
    const { matcher } = compilePattern(leaf.pattern, { mode: "no", multiline: false });
    return matcher === null || matcher.test(name) !== isNegated;
  });
}
