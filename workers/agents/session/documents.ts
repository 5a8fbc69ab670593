/** What there is once of a session, each as one JSON text. */
import { type Account, NOTHING_USED, type Used } from "../accounts.ts";
import type { SessionState } from "../machine/types.ts";
import type { CreateSession } from "../session-port.ts";
import type { PinnedMcpTool, PinnedTool, ToolSetup } from "../tool-port.ts";
import type { Assigned } from "./assignment.ts";
import type { LongTexts } from "./long-texts.ts";

/** What it was created with, and of that what was changed since. */
export interface Head extends CreateSession {
  readonly created_at: number;
}

/** What `initialize` fixed. */
export interface Setup {
  /** By its full name. */
  readonly model: string;
  readonly skills: readonly PinnedTool[];
  /** Left out for none. */
  readonly mcp_tools?: readonly PinnedMcpTool[];
  readonly tools: ToolSetup;
  readonly instructions: string | null;
}

/** What the last step was sent, by which the next one's size is known. */
export interface Calibration {
  readonly model: string;
  readonly input_tokens: number;
  readonly bytes: number;
}

/** What is counted beside the machine. */
export interface Progress {
  /** Seq of the newest event that lists show. */
  changed_seq: number;
  updated_at: number;
  started_at: number | null;
  last_active_at: number | null;
  terminated_at: number | null;
  error_count: number;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  is_partly_unknown: boolean;
  /** What of all this, and of what the machine counts, sub-agents have used. */
  pooled: Used;
  /** Ids of the newest charges from elsewhere, so that none counts twice. */
  charges: readonly string[];
  calibration: Calibration | null;
  /** What a provider has said is too long for a model. */
  too_long: { readonly model: string; readonly tokens: number } | null;
}

interface Documents {
  readonly head: Head;
  readonly setup: Setup;
  readonly state: SessionState;
  readonly progress: Progress;
  /** Of a session that is a step of a run. */
  readonly assigned: Assigned;
  /** Of a sub-agent: its account, and the number of the one that all above it have. */
  readonly account: { readonly newest: Account; readonly told: number };
  /** Seq up to which lists show the session. */
  readonly projected: number;
}

export function newProgress(now: number): Progress {
  return {
    changed_seq: 0,
    updated_at: now,
    started_at: null,
    last_active_at: null,
    terminated_at: null,
    error_count: 0,
    input_tokens: 0,
    output_tokens: 0,
    cached_input_tokens: 0,
    is_partly_unknown: false,
    pooled: NOTHING_USED,
    charges: [],
    calibration: null,
    too_long: null,
  };
}

export class DocumentTable {
  readonly #sql: SqlStorage;
  readonly #texts: LongTexts;

  constructor(sql: SqlStorage, texts: LongTexts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  get<Name extends keyof Documents>(name: Name): Documents[Name] | null {
    const [row] = this.#sql
      .exec<{ text: string; parts: number }>(
        "SELECT text, parts FROM documents WHERE name = ?",
        name,
      )
      .toArray();
    if (!row) return null;
    return JSON.parse(this.#texts.whole(name, { head: row.text, parts: row.parts }));
  }

  set<Name extends keyof Documents>(name: Name, document: Documents[Name]): void {
    this.#texts.forget(name);
    const { head, parts } = this.#texts.keep(name, JSON.stringify(document));
    this.#sql.exec("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", name, head, parts);
  }
}
