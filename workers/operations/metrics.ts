/** The Metrics object: HTTP figures of the whole deployment, which survive restarts. */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { TASK_TYPES } from "../executors/port.ts";
import { ENDED_STATES } from "../runs/ports.ts";
import type { AttemptFigure } from "./attempt-tally.ts";
import { type Figure, figureSchema, merge } from "./figures.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS http (
    method TEXT NOT NULL, route TEXT NOT NULL, status INTEGER NOT NULL,
    total INTEGER NOT NULL, sum_ms REAL NOT NULL, buckets TEXT NOT NULL,
    PRIMARY KEY (method, route, status)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS attempts (
    executor TEXT NOT NULL, state TEXT NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (executor, state)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;
const rowSchema = figureSchema.extend({
  buckets: z.string().transform((text, context) => {
    const buckets = figureSchema.shape.buckets.safeParse(JSON.parse(text));
    if (buckets.success) return buckets.data;
    context.addIssue("The stored buckets are not those of this version.");
    return z.NEVER;
  }),
});
const attemptSchema = z.object({
  executor: z.enum(TASK_TYPES),
  state: z.enum(ENDED_STATES),
  total: z.number(),
});
const factSchema = z.object({ value: z.number() });

export interface Snapshot {
  readonly figures: Figure[];
  readonly attempts: AttemptFigure[];
  /** ms since 1970 of the first request that was ever counted. */
  readonly counted_since: number;
  readonly audit_entries_lost: number;
}

export class Metrics extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec(SCHEMA);
    ctx.storage.sql.exec(
      "INSERT INTO facts (name, value) VALUES ('counted_since', ?) ON CONFLICT (name) DO NOTHING",
      Date.now(),
    );
  }

  /** Adds what an isolate counted since it last called, and audit entries that it lost. */
  add(figures: readonly Figure[], auditEntriesLost = 0): void {
    this.#addFact("audit_entries_lost", auditEntriesLost);
    const added = z.array(figureSchema).parse(figures);
    for (const figure of added) {
      const stored = this.#read("WHERE method = ? AND route = ? AND status = ?", [
        figure.method,
        figure.route,
        figure.status,
      ])[0];
      const sum = stored === undefined ? figure : merge(stored, figure);
      this.ctx.storage.sql.exec(
        "INSERT INTO http (method, route, status, total, sum_ms, buckets) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (method, route, status) DO UPDATE SET total = excluded.total, sum_ms = excluded.sum_ms, buckets = excluded.buckets",
        sum.method,
        sum.route,
        sum.status,
        sum.total,
        sum.sum_ms,
        JSON.stringify(sum.buckets),
      );
    }
  }

  /** Adds what a coordinator counted since it last called. */
  addAttempts(figures: readonly AttemptFigure[]): void {
    for (const { executor, state, total } of z.array(attemptSchema).parse(figures)) {
      this.ctx.storage.sql.exec(
        "INSERT INTO attempts (executor, state, total) VALUES (?, ?, ?) ON CONFLICT (executor, state) DO UPDATE SET total = total + excluded.total",
        executor,
        state,
        total,
      );
    }
  }

  snapshot(): Snapshot {
    const attempts = this.ctx.storage.sql
      .exec("SELECT executor, state, total FROM attempts ORDER BY executor, state")
      .toArray()
      .map((row) => attemptSchema.parse(row));
    const figures = this.#read("ORDER BY route, method, status", []);
    return {
      ...{ figures, attempts },
      counted_since: this.#fact("counted_since"),
      audit_entries_lost: this.#fact("audit_entries_lost"),
    };
  }

  #addFact(name: string, value: number): void {
    if (value === 0) return;
    this.ctx.storage.sql.exec(
      "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
      name,
      value,
    );
  }

  /** 0 for what was never counted. */
  #fact(name: string): number {
    const [row] = this.ctx.storage.sql
      .exec("SELECT value FROM facts WHERE name = ?", name)
      .toArray();
    return row === undefined ? 0 : factSchema.parse(row).value;
  }

  /** Rows of another version's buckets are left out: their counts begin anew. */
  #read(clause: string, parameters: (string | number)[]): Figure[] {
    const rows = this.ctx.storage.sql
      .exec(
        `SELECT method, route, status, total, sum_ms, buckets FROM http ${clause}`,
        ...parameters,
      )
      .toArray();
    return rows.flatMap((row) => {
      const figure = rowSchema.safeParse(row);
      return figure.success ? [figure.data] : [];
    });
  }
}
