/** Reading audit logs: lists, single entries, exports, and checks of the chain. */
import { z } from "zod";
import { logOf } from "../http/audit-record.ts";
import { ApiError } from "../http/errors.ts";
import { type Page, toPage } from "../http/page.ts";
import { maySee, type Principal, projectFor } from "../security/principal.ts";
import { readAnchor } from "./anchor.ts";
import { type Checkpoint, type Head, ORIGIN, readFound, type Sealed, withHash } from "./chain.ts";
import type { AuditLog } from "./object.ts";
import { auditEntrySchema, type Verification, type VerifyRequest } from "./schemas.ts";
import type { EntryFilter } from "./store.ts";

/** A call that checks a log ends after so long, or so many slices, and is gone on with. */
const CHECK_MS = 10_000;
const MAX_SLICES = 400;
/** Entries that an export holds at once. */
const EXPORTED_AT_ONCE = 200;

/** Which log a caller means. */
export interface WhichLog {
  readonly project_id?: string | undefined;
  readonly log: "project" | "deployment";
}

export interface AuditDeps {
  readonly database: D1Database;
  readonly logs: DurableObjectNamespace<AuditLog>;
}

export class AuditService {
  readonly #deps: AuditDeps;

  constructor(deps: AuditDeps) {
    this.#deps = deps;
  }

  /** Of a project that the caller cannot see, none. Throws `forbidden` and `validation_failed`. */
  async list(principal: Principal, which: WhichLog, filter: EntryFilter, page: Page, url: string) {
    const log = logFor(principal, which);
    const rows = log === null ? [] : await this.#deps.logs.getByName(log).list(filter, page);
    return toPage(
      rows,
      page,
      url,
      ({ seq, body }) => ({ created_at: readFound(body)?.created_at ?? 0, id: String(seq) }),
      toDocument,
    );
  }

  /** Throws `not_found`, `forbidden` and `validation_failed`; `seq` is null for what is no number. */
  async get(principal: Principal, which: WhichLog, seq: number | null, named: string) {
    const log = this.#open(principal, which).stub;
    const found = seq === null ? null : await log.entry(seq);
    if (found === null) {
      throw new ApiError(
        "not_found",
        `The audit log has no entry "${named}". List the entries to see those that it has.`,
      );
    }
    const before = found.before && toDocument(found.before);
    return {
      ...toDocument(found.entry),
      before: before?.after ?? null,
      before_digest: before?.after_digest ?? null,
    };
  }

  /** Entries as lines of JSON, those of the moment in which it begins. Throws as `get`. */
  export(
    principal: Principal,
    which: WhichLog,
    { from, to }: { readonly from: number; readonly to: number | null },
  ): ReadableStream<Uint8Array> {
    const { stub } = this.#open(principal, which);
    const encoder = new TextEncoder();
    let [after, last] = [from - 1, to];
    return new ReadableStream({
      async pull(controller) {
        last = Math.min(last ?? Number.MAX_SAFE_INTEGER, (await stub.head()).seq);
        const rows = after < last ? await stub.read(after, last, EXPORTED_AT_ONCE) : [];
        const newest = rows.at(-1);
        if (newest === undefined) return controller.close();
        after = newest.seq;
        controller.enqueue(encoder.encode(rows.map((row) => `${withHash(row)}\n`).join("")));
      },
    });
  }

  /**
   * Checks a log from its first entry, or from the cursor, against what D1 and the caller know of it.
   * Throws as `get`.
   */
  async verify(principal: Principal, request: VerifyRequest, now: number): Promise<Verification> {
    const { name, stub } = this.#open(principal, request);
    const checkpoints = [...remembered(request), ...(await this.#anchored(name))];
    let head: Head = request.cursor === undefined ? ORIGIN : decodeCursor(request.cursor, name);
    for (let slice = 0; slice < MAX_SLICES && Date.now() < now + CHECK_MS; slice += 1) {
      const checked = await stub.check(head, checkpoints);
      head = checked.head;
      if (checked.broken !== null) {
        return { status: "broken", head, broken: checked.broken, next_cursor: null };
      }
      if (checked.is_end) return { status: "intact", head, broken: null, next_cursor: null };
    }
    const next_cursor = encodeCursor(name, head);
    return { status: "unfinished", head, broken: null, next_cursor };
  }

  async #anchored(log: string): Promise<Checkpoint[]> {
    const known = await readAnchor(this.#deps.database, log);
    return known.seq === 0 ? [] : [{ ...known, source: "D1" }];
  }

  #open(principal: Principal, which: WhichLog) {
    const name = logFor(principal, which);
    if (name === null) {
      throw new ApiError(
        "not_found",
        `This caller has no project "${which.project_id}". Name one of its projects, or none if it has one alone.`,
      );
    }
    return { name, stub: this.#deps.logs.getByName(name) };
  }
}

/** The name of a log; null when the caller cannot see its project. */
function logFor(principal: Principal, { log, project_id }: WhichLog): string | null {
  if (log === "project") {
    if (project_id !== undefined && !maySee(principal, project_id)) return null;
    return logOf(projectFor(principal, project_id));
  }
  if (principal.projects === "*") return logOf(null);
  throw new ApiError(
    "forbidden",
    "The deployment's log is for callers of all projects. Leave `log` out to read that of your project.",
  );
}

/** What was changed behind the service's back is shown as it is there, as far as it can be read. */
function toDocument(entry: Sealed): z.output<typeof auditEntrySchema> {
  try {
    return auditEntrySchema.parse(JSON.parse(withHash(entry)));
  } catch (cause) {
    throw new ApiError(
      "conflict",
      `Entry ${entry.seq} was changed and cannot be read any more. POST /api/v1/audit/verify names what is broken.`,
      { cause },
    );
  }
}

function remembered({ expect_seq: seq, expect_hash: hash }: VerifyRequest): Checkpoint[] {
  return seq === undefined || hash === undefined ? [] : [{ seq, hash, source: "The caller" }];
}

const cursorSchema = z.tuple([z.literal(1), z.string(), z.int().min(0), z.string().length(64)]);

function encodeCursor(log: string, { seq, hash }: Head): string {
  return Buffer.from(JSON.stringify([1, log, seq, hash])).toString("base64url");
}

/** Throws `validation_failed` for what is no cursor of a check of this log. */
function decodeCursor(cursor: string, log: string): Head {
  const decoded = cursorSchema.safeParse(parseCursor(cursor));
  if (decoded.success && decoded.data[1] === log) {
    const [, , seq, hash] = decoded.data;
    return { seq, hash };
  }
  throw new ApiError("validation_failed", "The cursor is not valid.", {
    issues: [
      { path: "cursor", message: "It is of no check of this log; pass a `next_cursor` unchanged." },
    ],
  });
}

function parseCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    return null;
  }
}
