/** What an index takes and answers: plain data, since it crosses from Worker to object. */
import type { LeafMode } from "../intake/git-objects.ts";
import type { TextEncodingName } from "../intake/text-content.ts";
import type { Strip } from "../intake/top-folder.ts";

/**
 * `receiving` waits for the blobs of a manifest, `ingesting` reads an archive, `ready` and `failed`
 * are final. Only a ready snapshot is searched, listed or mounted.
 */
export const SNAPSHOT_STATES = ["receiving", "ingesting", "ready", "failed"] as const;
export type SnapshotState = (typeof SNAPSHOT_STATES)[number];

/** Where a snapshot came from. */
export const SOURCE_KINDS = ["manifest", "archive", "url", "git"] as const;
export interface SnapshotSource {
  readonly kind: (typeof SOURCE_KINDS)[number];
  /** Without credentials; null for what was sent. */
  readonly url: string | null;
  /** Names the secret that it is read with. */
  readonly secret?: string | null;
  /** What the server called the archive that it gave; for the next time. */
  readonly etag?: string | null;
  /** Folders that each reading of its archive takes off. */
  readonly strip?: Strip;
}

/** The content of a file as intake has prepared it. */
export interface TakenBlob {
  /** 40 hexadecimal digits, of git. */
  readonly oid: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Null when it is larger than is indexed: then only its digests are kept. */
  readonly deflated: Uint8Array | null;
  /** Null for binary content, and for what is too large. */
  readonly text: string | null;
  readonly encoding: TextEncodingName | null;
  readonly lines: number;
  readonly minified: boolean;
  /** How many places look like credentials. */
  readonly secrets: number;
}

/** A path of a snapshot on its way in. */
export interface TakenFile {
  readonly path: string;
  readonly mode: LeafMode;
  readonly oid: string;
  readonly size: number;
}

export interface NewSnapshot {
  /** Chosen by the caller: the same again is the same snapshot. */
  readonly id: string;
  readonly ref: string | null;
  readonly commit: string | null;
  readonly source: SnapshotSource;
  /** Every file; null when an archive brings them. */
  readonly manifest: readonly TakenFile[] | null;
}

/** A file whose manifest gives its content a size that it does not have. */
export interface Contradiction {
  readonly path: string;
  readonly size: number;
  readonly stored: number;
}

export interface SnapshotCounts {
  readonly files: number;
  /** Bytes of all files. */
  readonly bytes: number;
  readonly text_files: number;
  readonly binary_files: number;
  readonly too_large_files: number;
  /** Files in which something looks like a credential. */
  readonly secret_files: number;
  /** Files by language, the most common first. */
  readonly languages: readonly { readonly language: string; readonly files: number }[];
  /** Files whose language has a grammar. */
  readonly parsable_files: number;
  /** Blobs that came with it. */
  readonly new_blobs: number;
}

export interface SnapshotError {
  readonly code: string;
  readonly message: string;
  readonly path: string | null;
}

export interface Snapshot {
  readonly number: number;
  readonly id: string;
  readonly state: SnapshotState;
  readonly ref: string | null;
  readonly commit: string | null;
  readonly source: SnapshotSource;
  /** The OID of its top tree, once it is ready. */
  readonly root: string | null;
  readonly counts: SnapshotCounts | null;
  readonly error: SnapshotError | null;
  readonly created_at: number;
  readonly ready_at: number | null;
  /** Files that symbols are known of, of those in a language with a grammar. */
  readonly symbols: { readonly parsed: number; readonly of: number };
  /** Files and blobs that came so far; all of them, once it is ready. */
  readonly received: { readonly files: number; readonly missing: number };
}

/** What an index says of itself. */
export interface IndexState {
  /** The newest snapshot that is ready. */
  readonly latest: Snapshot | null;
  readonly snapshots: number;
  /** Of its database, contents included. */
  readonly bytes: number;
  readonly contents: number;
}

/** Content that the index does not have, by the first path that has it. */
export interface MissingBlob {
  readonly oid: string;
  readonly size: number;
  readonly path: string;
}

export type Refusal =
  | { readonly status: "not_found" }
  /** The snapshot takes nothing any more, or has nothing to show yet. */
  | { readonly status: "wrong_state"; readonly state: SnapshotState }
  /** Another reading of the archive has begun since. */
  | { readonly status: "superseded" };

export interface IndexEvent {
  readonly seq: number;
  readonly snapshot: number | null;
  readonly type: string;
  /** ms since 1970. */
  readonly at: number;
  /** JSON of an object. */
  readonly data: string;
}

/** A file of a ready snapshot. */
export interface FileEntry {
  readonly path: string;
  readonly mode: LeafMode;
  readonly oid: string;
  readonly size: number;
  readonly language: string | null;
  readonly lines: number;
  readonly traits: readonly string[];
}
