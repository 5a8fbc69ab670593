/** Takes snapshots in. Until one is complete nothing of it is seen, and then all of it. */
import { IntakeError } from "../../intake/errors.ts";
import { MAX_INDEXED_BYTES } from "../../intake/limits.ts";
import type { BlobStore } from "../storage/blobs.ts";
import type { EventLog } from "../storage/events.ts";
import {
  type Described,
  describe,
  grammarFor,
  has,
  isSearched,
  type Listing,
} from "../storage/listing.ts";
import type { ProjectLanguages } from "../storage/project-languages.ts";
import type { SnapshotRow, SnapshotStore } from "../storage/snapshots.ts";
import type { SymbolStore } from "../storage/symbols.ts";
import type { DescribedFile, TreeStore } from "../storage/trees.ts";
import type {
  Contradiction,
  MissingBlob,
  NewSnapshot,
  Refusal,
  SnapshotCounts,
  SnapshotError,
  TakenBlob,
  TakenFile,
} from "../types.ts";
import { expectSymbols } from "./expectations.ts";
import { failedTry, givenUp, MAX_TRIES } from "./tries.ts";

/** Languages that counts name. */
const MAX_LANGUAGES = 100;

export interface IntakeDeps {
  readonly blobs: BlobStore;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotStore;
  readonly symbols: SymbolStore;
  readonly events: EventLog;
  readonly languages: ProjectLanguages;
}

export type Completion =
  | { readonly status: "ready" }
  | { readonly status: "missing"; readonly missing: number }
  | { readonly status: "failed"; readonly error: SnapshotError }
  | Refusal;

/** What says that an address still has what it had. */
export type SameSource =
  | { readonly commit: string; readonly etag?: undefined }
  | { readonly etag: string; readonly commit?: undefined };

/** What is known of the files that were read; null when it is not. */
export interface Origin {
  readonly commit: string | null;
  readonly etag?: string | null;
}

/** Descriptions kept for copies of the same file. */
const MAX_RECENT = 20_000;

export class Intake {
  readonly #deps: IntakeDeps;
  readonly #recent = new Map<string, Described>();

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /** Files of a manifest whose content is stored and has another size. */
  contradicted(manifest: readonly TakenFile[]): Contradiction[] {
    const sizes = this.#deps.blobs.sizes(manifest.map(({ oid }) => oid));
    return manifest.flatMap(({ path, oid, size }) => {
      const stored = sizes.get(oid);
      return stored === undefined || stored === size ? [] : [{ path, size, stored }];
    });
  }

  /** Begins a snapshot, or finds it when it was begun before; returns its number. */
  begin(snapshot: NewSnapshot, now: number): number {
    const { blobs, snapshots, events } = this.#deps;
    const known = snapshots.withId(snapshot.id);
    if (known !== null) return known.number;
    const { manifest, source, ref } = snapshot;
    const state = manifest === null ? "ingesting" : "receiving";
    const number = snapshots.insert(snapshot, state, blobs.lastId(), now);
    if (manifest !== null) this.#addManifest(number, manifest);
    events.add("snapshot.begun", number, { source: source.kind, url: source.url, ref }, now);
    return number;
  }

  /** The OIDs that are not stored. */
  lacking(oids: readonly string[]): string[] {
    const { blobs } = this.#deps;
    const known = blobs.known(oids);
    const claimed = new Set(blobs.claimed(oids));
    return oids.filter((oid) => !known.has(oid) || claimed.has(oid));
  }

  /** Those of the OIDs that a snapshot waits for. */
  wanted(number: number, oids: readonly string[]): string[] {
    return this.#deps.snapshots.wanted(number, oids);
  }

  /** Begins to read an archive from its start; what an earlier reading brought is left behind. */
  read(
    number: number,
    now: number,
  ): { readonly status: "reading"; readonly reading: number } | Refusal {
    const refusal = this.#refusal(number, null);
    if (refusal !== null) return refusal;
    this.#deps.snapshots.touch(number, now);
    return { status: "reading", reading: this.#deps.snapshots.beginReading(number) };
  }

  /**
   * Takes files and contents; those that it has already change nothing. `reading` is of `read`, and 0
   * for a manifest.
   */
  put(
    number: number,
    reading: number,
    files: readonly TakenFile[],
    contents: readonly TakenBlob[],
    now: number,
  ): { readonly status: "taken" } | Refusal {
    const { blobs, snapshots, trees } = this.#deps;
    const refusal = this.#refusal(number, reading);
    if (refusal !== null) return refusal;
    const texts = new Map(contents.map(({ oid, text }) => [oid, text]));
    for (const file of files) {
      const described = this.#describe(file.path, file.oid, texts.get(file.oid));
      snapshots.addIncoming(number, file, described);
    }
    // A manifest has named its files before.
    const named = files.length === 0 ? texts : [];
    for (const [oid, text] of named) {
      for (const path of snapshots.undescribed(number, oid)) {
        snapshots.setDescribed(number, path, this.#describe(path, oid, text));
      }
    }
    snapshots.touch(number, now);
    if (blobs.claimed(contents.map(({ oid }) => oid)).length > 0) trees.forgetListings();
    blobs.put(contents);
    return { status: "taken" };
  }

  missing(number: number, after: string, limit: number): MissingBlob[] {
    return this.#deps.snapshots.missing(number, after, limit);
  }

  /** Makes a snapshot ready in one commit, once nothing is missing. */
  complete(
    number: number,
    reading: number,
    { commit, etag = null }: Origin,
    now: number,
  ): Completion {
    const { snapshots, trees, events } = this.#deps;
    const row = snapshots.find(number);
    const refusal = this.#refusal(number, reading);
    if (refusal !== null || row === null) return refusal ?? { status: "not_found" };
    const missing = snapshots.missingCount(number);
    if (missing > 0) return { status: "missing", missing };
    if (snapshots.incomingCount(number) === 0) {
      const message = "It holds no files. Check what was sent, or the folder it was made of.";
      return this.fail(number, { code: "archive_empty", message, path: null }, now);
    }
    try {
      const root = trees.put(this.#described(number));
      const listing = trees.listing(root);
      const counts = this.#counts(listing, row);
      if (etag !== null) snapshots.setEtag(number, etag);
      snapshots.setReady(number, { root, commit, counts }, now);
      const waiting = expectSymbols(listing, this.#deps);
      events.add("snapshot.ready", number, { root, ...counts, symbols_waiting: waiting }, now);
      return { status: "ready" };
    } catch (error) {
      if (!(error instanceof IntakeError)) throw error;
      const { code, message, path = null } = error;
      return this.fail(number, { code, message, path }, now);
    }
  }

  /** Lists a ready snapshot with the languages that its project has now. */
  relist(row: SnapshotRow): void {
    const { snapshots, trees } = this.#deps;
    if (row.root === null || row.counts === null) return;
    const listing = trees.listing(row.root);
    const { new_blobs } = row.counts;
    snapshots.setCounts(row.number, { ...this.#counts(listing, row), new_blobs });
    expectSymbols(listing, this.#deps);
  }

  /**
   * Makes a snapshot ready as an earlier one of the same address is, when that is of the same commit,
   * or of the same ref and archive; false when there is none.
   */
  adopt(number: number, same: SameSource, now: number): boolean {
    const { snapshots, events } = this.#deps;
    const row = snapshots.find(number);
    if (row?.source.url == null || this.#refusal(number, null) !== null) return false;
    const twin = snapshots.ofAddress(row.source.url).find(({ commit_oid, ref, source }) =>
      same.commit === undefined
        ? ref === row.ref && source.etag === same.etag
        : // An archive of a commit can lack what its repository has.
          source.kind === row.source.kind && commit_oid === same.commit,
    );
    if (twin === undefined || twin.root === null || twin.counts === null) return false;
    const { root, commit_oid: commit, source } = twin;
    const counts = { ...twin.counts, new_blobs: 0 };
    if (source.etag !== null) snapshots.setEtag(number, source.etag);
    snapshots.setReady(number, { root, commit, counts }, now);
    events.add("snapshot.ready", number, { root, ...counts, symbols_waiting: 0 }, now);
    return true;
  }

  /** What the server called the archive of the newest snapshot with the same address and ref. */
  etag(number: number): string | null {
    const { snapshots } = this.#deps;
    const row = snapshots.find(number);
    if (row?.source.url == null) return null;
    const earlier = snapshots.ofAddress(row.source.url).find(({ ref }) => ref === row.ref);
    return earlier?.source.etag ?? null;
  }

  fail(number: number, error: SnapshotError, now: number): Completion {
    const refusal = this.#refusal(number, null);
    if (refusal !== null) return refusal;
    this.#deps.snapshots.setFailed(number, error);
    this.#deps.events.add("snapshot.failed", number, { ...error }, now);
    return { status: "failed", error };
  }

  /** Notes why a try to read it failed; false when no other follows, after the last of which it fails. */
  retry(number: number, cause: string, now: number): boolean {
    const { snapshots, events } = this.#deps;
    const row = snapshots.find(number);
    if (row?.state !== "ingesting") return false;
    events.add("snapshot.retrying", number, { cause, try: row.tries }, now);
    const error = failedTry(cause);
    if (row.tries >= MAX_TRIES) {
      this.fail(number, givenUp({ source: row.source, error }), now);
      return false;
    }
    snapshots.setError(number, error);
    return true;
  }

  #refusal(number: number, reading: number | null): Refusal | null {
    const row = this.#deps.snapshots.find(number);
    if (row === null) return { status: "not_found" };
    const { state } = row;
    if (state !== "receiving" && state !== "ingesting") return { status: "wrong_state", state };
    return reading === null || reading === row.reading ? null : { status: "superseded" };
  }

  /** What has not changed since the newest snapshot is described as it was. */
  #addManifest(number: number, manifest: readonly TakenFile[]): void {
    const { blobs, snapshots, trees } = this.#deps;
    const root = snapshots.latestReady()?.root ?? null;
    const before = root === null ? null : trees.listing(root);
    for (const file of manifest) {
      const same = before?.at(file.path);
      snapshots.addIncoming(number, file, same?.oid === file.oid ? same.described : null);
    }
    blobs.put(manifest.filter(({ size }) => size > MAX_INDEXED_BYTES).map(tooLarge));
  }

  /** All files of a snapshot, in the order of their paths. */
  *#described(number: number): Generator<DescribedFile> {
    for (const file of this.#deps.snapshots.incoming(number)) {
      const { path, mode, oid, language, is_generated } = file;
      const described =
        is_generated === null
          ? this.#describe(path, oid)
          : { language, generated: is_generated !== 0 };
      yield { path, mode, oid, ...described };
    }
  }

  /** A name and a content say the same wherever they are, so that copies are read once. */
  #describe(path: string, oid: string, text?: string | null): Described {
    const key = `${path.slice(path.lastIndexOf("/") + 1)}\n${oid}`;
    const known = this.#recent.get(key);
    if (known !== undefined) return known;
    const described = describe(path, text === undefined ? this.#textOf(oid) : text);
    if (this.#recent.size >= MAX_RECENT) this.#recent.clear();
    this.#recent.set(key, described);
    return described;
  }

  #textOf(oid: string): string | null {
    const blob = this.#deps.blobs.named(oid);
    return blob === null ? null : this.#deps.blobs.text(blob);
  }

  #counts(listing: Listing, { first_blob }: SnapshotRow): SnapshotCounts {
    const languages = new Map<string, number>();
    let bytes = 0;
    for (const { blob, language } of listing.files) {
      bytes += blob?.size ?? 0;
      if (language !== null) languages.set(language, (languages.get(language) ?? 0) + 1);
    }
    const count = (holds: (file: Listing["files"][number]) => boolean) =>
      listing.files.filter(holds).length;
    return {
      files: listing.files.length,
      bytes,
      text_files: count(isSearched),
      binary_files: count((file) => has(file, "binary")),
      too_large_files: count((file) => has(file, "too_large")),
      secret_files: count((file) => has(file, "secret")),
      languages: [...languages]
        .sort(([a, left], [b, right]) => right - left || (a < b ? -1 : 1))
        .slice(0, MAX_LANGUAGES)
        .map(([language, files]) => ({ language, files })),
      parsable_files: count((file) => grammarFor(file) !== null),
      new_blobs: [...listing.blobs].filter((id) => id > first_blob).length,
    };
  }
}

function tooLarge({ oid, size }: TakenFile): TakenBlob {
  const nothing = { text: null, encoding: null, deflated: null, lines: 0, secrets: 0 };
  return { oid, size, sha256: "", minified: false, ...nothing };
}
