/** A search of one snapshot, and its answer with the receipt of what was searched. */
import type { Explanation } from "../../query/plan.ts";
import type { QueryNote, QueryProblem } from "../../query/problem.ts";
import type { ResultType, Syntax } from "../../query/query.ts";
import type { Signal } from "../../query/rank.ts";
import type { FileMatch } from "../../query/verify.ts";
import type { BadCursor, NoSnapshot } from "../reading/pinned.ts";

export interface SearchRequest {
  readonly query: string;
  readonly syntax: Syntax;
  /** What the codebase is called, which `repo:` is held against. */
  readonly codebase: string;
  /** Other codebases are asked the same: a language that they alone have is no fault of the query. */
  readonly one_of_many: boolean;
  /** A number, ref, commit or id; null for the newest. */
  readonly snapshot: string | null;
  /** Files of a page. */
  readonly limit: number;
  readonly max_matches: number;
  readonly context_lines: number;
  readonly cursor: string | null;
  readonly explain: boolean;
  /** The page ends when this has passed, with what was found and a cursor. */
  readonly deadline_ms: number;
}

export interface MatchDocument extends Omit<FileMatch, "fragment"> {
  readonly text: string;
  /** Where the match lies in `text`, in UTF-16 code units. */
  readonly match_start: number;
  readonly match_end: number;
  readonly cut_before: boolean;
  readonly cut_after: boolean;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface FileResult {
  readonly path: string;
  readonly oid: string;
  readonly language: string | null;
  readonly size: number;
  readonly traits: readonly string[];
  readonly score: number;
  /** Where its score comes from; only when asked for. */
  readonly signals: readonly Signal[] | null;
  readonly matches: readonly MatchDocument[];
  /** It has more matches than are shown. */
  readonly truncated: boolean;
}

/** Why files are not in the answer although they may hold what is asked for. */
export interface SkippedFiles {
  /** Their bytes are no text. */
  readonly binary: number;
  /** Larger than is indexed. */
  readonly too_large: number;
  readonly symlink: number;
  readonly submodule: number;
  /** The expression would take too long in one file of their size. */
  readonly too_costly: number;
  /** Their language has no grammar, and structure is asked for. */
  readonly no_grammar: number;
  /** Their symbols are still being read; text alone is searched. */
  readonly symbols_pending: number;
}

/** What an answer is an answer about: enough to check that nothing was left out. */
export interface Receipt {
  readonly snapshot: number;
  readonly root: string;
  /** Of the snapshot. */
  readonly files: number;
  /** That the indexes did not rule out. */
  readonly candidates: number;
  /** Candidates that were read so far, pages before this one included. */
  readonly searched: number;
  readonly bytes_searched: number;
  readonly skipped: SkippedFiles;
  /** Every file of the snapshot was searched or ruled out, and none was skipped that could match. */
  readonly exhaustive: boolean;
  /** Why it is not exhaustive; null when it is. */
  readonly reason: string | null;
  /** SHA-256 over the root, the query, and the results of this and all pages before. */
  readonly digest: string;
}

export type SearchAnswer =
  | {
      readonly status: "found";
      readonly type: ResultType;
      readonly items: readonly FileResult[];
      readonly next_cursor: string | null;
      readonly receipt: Receipt;
      readonly notes: readonly QueryNote[];
      readonly plan: Explanation | null;
    }
  | { readonly status: "invalid"; readonly problems: readonly QueryProblem[] }
  | BadCursor
  /** There is no ready snapshot of that name, or none at all. */
  | NoSnapshot;
