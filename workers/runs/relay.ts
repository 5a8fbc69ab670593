/**
 * Gathers what the coordinators of a project have to project and writes it to D1 together, so that
 * the number of D1 batches follows time and not the number of objects. It stores nothing: a
 * coordinator counts a row as projected when its call has returned.
 */
import { DurableObject } from "cloudflare:workers";
import { logWarning } from "../http/log.ts";

const MIN_INTERVAL_MS = 80;
/** The interval follows the last batch's latency, so that a slow D1 gets fewer, larger batches. */
const LATENCY_FACTOR = 10;
const MAX_INTERVAL_MS = 2_000;
/** What is written to the outbox within this time is announced together. */
const ANNOUNCE_MS = 200;
/** D1 takes parameters up to 2 MB; rows are packed well below that. */
export const MAX_CHUNK_BYTES = 1_000_000;

/** JSON texts: rows and ids by kind, and messages for the neighbours. */
export interface ProjectionBatch {
  readonly rows: Readonly<Record<string, readonly string[]>>;
  readonly deleted: Readonly<Record<string, readonly string[]>>;
  readonly messages: readonly string[];
}

/** By kind of row, the statements that take JSON arrays of rows, and of ids. */
export type ProjectedKinds = Readonly<
  Record<string, { readonly upsertSql: string; readonly deleteSql: string }>
>;

interface Pending {
  readonly batch: ProjectionBatch;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Takes a JSON array of messages. */
export const OUTBOX_SQL = `INSERT INTO outbox (id, topic, project_id, resource_id, payload, trace, created_at)
SELECT value ->> 'id', value ->> 'topic', value ->> 'project_id', value ->> 'resource_id',
       value ->> 'payload', value ->> 'trace', value ->> 'created_at' FROM json_each(?1) WHERE true
ON CONFLICT (id) DO NOTHING`;

export abstract class ProjectionRelayBase extends DurableObject<Env> {
  readonly #kinds: ProjectedKinds;
  #pending: Pending[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #announcement: ReturnType<typeof setTimeout> | null = null;
  #intervalMs = MIN_INTERVAL_MS;

  constructor(context: DurableObjectState, env: Env, kinds: ProjectedKinds) {
    super(context, env);
    this.#kinds = kinds;
  }

  /** Resolves when the batch is in D1; rejects when it is not, and may be sent again. */
  project(batch: ProjectionBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ batch, resolve, reject });
      this.#timer ??= setTimeout(() => void this.#flush(), this.#intervalMs);
    });
  }

  async #flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    const began = Date.now();
    try {
      await this.#write(pending.map(({ batch }) => batch));
      for (const { resolve } of pending) resolve();
    } catch {
      await this.#writeApart(pending);
    }
    const latency = Date.now() - began;
    this.#intervalMs = Math.min(
      MAX_INTERVAL_MS,
      Math.max(MIN_INTERVAL_MS, LATENCY_FACTOR * latency),
    );
    this.#timer =
      this.#pending.length > 0 ? setTimeout(() => void this.#flush(), this.#intervalMs) : null;
  }

  /** After a failure each caller stands alone, so that one bad row holds up no other. */
  async #writeApart(pending: readonly Pending[]): Promise<void> {
    for (const { batch, resolve, reject } of pending) {
      try {
        await this.#write([batch]);
        resolve();
      } catch (error) {
        reject(error);
      }
    }
  }

  async #write(batches: readonly ProjectionBatch[]): Promise<void> {
    const statements: D1PreparedStatement[] = [];
    const add = (sql: string, items: readonly string[]) => {
      for (const chunk of chunks(items)) statements.push(this.env.DB.prepare(sql).bind(chunk));
    };
    for (const [name, kind] of Object.entries(this.#kinds)) {
      add(
        kind.upsertSql,
        batches.flatMap(({ rows }) => rows[name] ?? []),
      );
      add(
        kind.deleteSql,
        batches.flatMap(({ deleted }) => deleted[name] ?? []),
      );
    }
    add(
      OUTBOX_SQL,
      batches.flatMap(({ messages }) => messages),
    );
    if (statements.length > 0) await this.env.DB.batch(statements);
    if (batches.some(({ messages }) => messages.length > 0)) this.#announce();
  }

  /** Says that the outbox has messages, once for those of some time; the sweeper says it as well. */
  #announce(): void {
    this.#announcement ??= setTimeout(() => {
      this.#announcement = null;
      this.env.OUTBOX.send({}, { contentType: "json" }).catch((error: unknown) =>
        logWarning("outbox_not_announced", error, {}),
      );
    }, ANNOUNCE_MS);
  }
}

/** Packs JSON texts into JSON arrays below the parameter limit; one text alone may exceed it. */
export function* chunks(items: readonly string[]): Generator<string> {
  let packed: string[] = [];
  let size = 0;
  for (const item of items) {
    const bytes = Buffer.byteLength(item) + 1;
    if (packed.length > 0 && size + bytes >= MAX_CHUNK_BYTES) {
      yield `[${packed.join(",")}]`;
      packed = [];
      size = 0;
    }
    packed.push(item);
    size += bytes;
  }
  if (packed.length > 0) yield `[${packed.join(",")}]`;
}
