/**
 * The chain of entries: each has the hash of the one before, so that none can be changed, left out or
 * put in without all that follow being different. Pure.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import {
  type AuditRecord,
  type Content,
  type Digest,
  OUTCOMES,
  projectOfLog,
} from "../http/audit-record.ts";
import { canonicalJson } from "../http/json.ts";
import { jsonSchema } from "../http/schemas.ts";

/** Where a chain stands: its newest entry. */
export interface Head {
  /** From 1; 0 for none. */
  readonly seq: number;
  /** SHA-256 in hex. */
  readonly hash: string;
}

/** Before the first entry. */
export const ORIGIN: Head = { seq: 0, hash: "0".repeat(64) };

const digestSchema = z.object({ sha256: z.string(), bytes: z.int() });

/** An entry as it is hashed, kept and shown, but for its own hash. */
export const entrySchema = z.object({
  /** From 1, without gaps. */
  seq: z.int(),
  id: z.string(),
  /** Null in the log of the deployment. */
  project_id: z.string().nullable(),
  created_at: z.string(),
  actor: z.object({ kind: z.string(), id: z.string(), name: z.string() }),
  action: z.string(),
  entity_type: z.string().nullable(),
  entity_id: z.string().nullable(),
  is_entity: z.boolean(),
  /** As the entry before about the same entity left it. */
  from_state: z.string().nullable(),
  to_state: z.string().nullable(),
  method: z.string(),
  path: z.string(),
  status: z.int(),
  outcome: z.enum(OUTCOMES),
  error_code: z.string().nullable(),
  request_id: z.string(),
  correlation_id: z.string(),
  traceparent: z.string().nullable(),
  request: jsonSchema.nullable(),
  request_digest: digestSchema.nullable(),
  after: jsonSchema.nullable(),
  after_digest: digestSchema.nullable(),
  /** Of the entry before; 64 zeros for the first. */
  previous_hash: z.string(),
});
export type Entry = Readonly<z.output<typeof entrySchema>>;

/** An entry as it is on the disk. */
export const sealedSchema = z.object({
  seq: z.number(),
  /** Canonical JSON of the entry: sorted keys, no spaces. */
  body: z.string(),
  /** SHA-256 of the body, in hex. */
  hash: z.string(),
});
export type Sealed = Readonly<z.output<typeof sealedSchema>>;

/** What an entry is found by. */
export const foundSchema = z.object({
  seq: z.number(),
  id: z.string(),
  /** ms since 1970. */
  created_at: z.number(),
  /** `kind:id`. */
  actor: z.string(),
  action: z.string(),
  entity_type: z.string().nullable(),
  entity_id: z.string().nullable(),
  is_entity: z.number(),
  to_state: z.string().nullable(),
  outcome: z.string(),
  request_id: z.string(),
});
export type Found = Readonly<z.output<typeof foundSchema>>;

/** An entry with what it is found by; null for one that is found by nothing. */
export interface Row extends Sealed {
  readonly found: Found | null;
}

/** The next entry of a log. `at` is ms since 1970. */
export function seal(
  log: string,
  head: Head,
  record: AuditRecord,
  { at, from_state }: { readonly at: number; readonly from_state: string | null },
): Sealed & { readonly found: Found } {
  const { request, after, ...rest } = record;
  const [sent, left] = [partsOf(request), partsOf(after)];
  const entry: Entry = {
    ...rest,
    seq: head.seq + 1,
    project_id: projectOfLog(log),
    created_at: new Date(at).toISOString(),
    from_state,
    request: sent.value,
    request_digest: sent.digest,
    after: left.value,
    after_digest: left.digest,
    previous_hash: head.hash,
  };
  const body = canonicalJson(entry);
  return { seq: entry.seq, body, hash: hashOf(body), found: foundBy(entry) };
}

function partsOf(content: Content): { value: Entry["after"]; digest: Digest | null } {
  if (content === null) return { value: null, digest: null };
  if ("digest" in content) return { value: null, digest: content.digest };
  return { value: jsonSchema.parse(JSON.parse(content.json)), digest: null };
}

function foundBy(entry: Entry): Found {
  const { seq, id, action, entity_type, entity_id, to_state, outcome, request_id } = entry;
  return {
    ...{ seq, id, action, entity_type, entity_id, to_state, outcome, request_id },
    created_at: Date.parse(entry.created_at),
    actor: `${entry.actor.kind}:${entry.actor.id}`,
    is_entity: entry.is_entity ? 1 : 0,
  };
}

/** What the entry of a text is found by; null for what is no entry. */
export function readFound(body: string): Found | null {
  const entry = readEntry(body);
  return entry && foundBy(entry);
}

function hashOf(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}

/** An entry as it is shown, and exported: without `hash` it is the text that was hashed. */
export function withHash({ body, hash }: Sealed): string {
  return `${body.slice(0, -1)},"hash":"${hash}"}`;
}

/** What is known of the chain from elsewhere: it had this entry once. */
export interface Checkpoint extends Head {
  /** Who knows it, for a person. */
  readonly source: string;
}

export interface Broken {
  /** The first entry that is not as it was. */
  readonly seq: number;
  /**
   * `changed`: it does not give its own hash. `rewritten`: it does, but another one was there when
   * what follows, or what is known from elsewhere, was written. `missing`: it is not there.
   */
  readonly fault: "changed" | "rewritten" | "missing";
  readonly detail: string;
}

export interface Checked {
  /** The last entry that is as it was. */
  readonly head: Head;
  readonly broken: Broken | null;
}

/** Checks entries that follow `from`, in their order. */
export function checkRows(
  rows: Iterable<Row>,
  from: Head,
  checkpoints: readonly Checkpoint[],
): Checked {
  let head = from;
  for (const row of rows) {
    const broken = checkRow(row, head, checkpoints);
    if (broken !== null) return { head, broken };
    head = { seq: row.seq, hash: row.hash };
  }
  return { head, broken: null };
}

/** What is missing at the end of a chain whose last entry is `head`. */
export function checkEnd(head: Head, checkpoints: readonly Checkpoint[]): Broken | null {
  const later = checkpoints.find(({ seq }) => seq > head.seq);
  if (later === undefined) return null;
  const detail = `The log ends with entry ${head.seq}; ${later.source} knows of entry ${later.seq}.`;
  return { seq: head.seq + 1, fault: "missing", detail };
}

function checkRow(row: Row, head: Head, checkpoints: readonly Checkpoint[]): Broken | null {
  const expected = head.seq + 1;
  if (row.seq !== expected) {
    const detail = `Entry ${head.seq} is followed by entry ${row.seq}.`;
    return { seq: expected, fault: "missing", detail };
  }
  const { seq, hash } = row;
  if (hashOf(row.body) !== hash) {
    return { seq, fault: "changed", detail: "Its content does not give its hash." };
  }
  const entry = readEntry(row.body);
  if (entry === null) return { seq, fault: "changed", detail: "Its content is no entry." };
  if (entry.seq !== seq || canonicalJson(row.found) !== canonicalJson(foundBy(entry))) {
    const detail = "What it is found by is not what its content says.";
    return { seq, fault: "changed", detail };
  }
  if (entry.previous_hash !== head.hash) {
    const detail = `Entry ${seq} was written after an entry with the hash ${entry.previous_hash}.`;
    // Nothing precedes the first entry: it is that one itself.
    return { seq: Math.max(1, head.seq), fault: "rewritten", detail };
  }
  const other = checkpoints.find((known) => known.seq === seq && known.hash !== hash);
  if (other === undefined) return null;
  const detail = `${other.source} knows it with the hash ${other.hash}.`;
  return { seq, fault: "rewritten", detail };
}

function readEntry(body: string): Entry | null {
  try {
    return entrySchema.parse(JSON.parse(body));
  } catch {
    return null;
  }
}
