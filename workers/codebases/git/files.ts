/** The files of a commit, out of the pack that holds it. */
import { createHash } from "node:crypto";
import type { ArchiveFile, ArchiveSummary } from "../intake/archive.ts";
import { type EntryMode, modeOfNumber } from "../intake/git-objects.ts";
import { DEFAULT_LIMITS, MAX_INDEXED_BYTES, Meter } from "../intake/limits.ts";
import { checkPath, oddities, PathTable } from "../intake/paths.ts";
import { decodeName } from "../intake/text.ts";
import { damaged } from "./errors.ts";
import type { Pack } from "./pack.ts";

const OID_BYTES = 20;
/** Tags may name tags. */
const MAX_TAGS = 10;

/** Yields the files below a commit, or a tag of one, in git's order. Throws IntakeError. */
export async function* commitFiles(
  pack: Pack,
  name: string,
): AsyncGenerator<ArchiveFile, ArchiveSummary, void> {
  const { commit, tree } = commitOf(pack, name);
  const walk = new Walk(pack);
  yield* walk.files(tree, "");
  const { count: files, unpackedBytes } = walk;
  return { commit, topFolder: null, files, unpackedBytes };
}

function commitOf(pack: Pack, name: string): { readonly commit: string; readonly tree: string } {
  let oid = name;
  for (let tags = 0; tags <= MAX_TAGS; tags += 1) {
    const { type, content } = pack.get(oid);
    const text = content.toString("latin1", 0, 64);
    const tree = type === "commit" ? /^tree ([0-9a-f]{40})\n/.exec(text)?.[1] : undefined;
    if (tree !== undefined) return { commit: oid, tree };
    const tagged = type === "tag" ? /^object ([0-9a-f]{40})\n/.exec(text)?.[1] : undefined;
    if (tagged === undefined) break;
    oid = tagged;
  }
  throw damaged(`${name} is no commit`);
}

class Walk {
  readonly #pack: Pack;
  readonly #meter = new Meter(DEFAULT_LIMITS);
  readonly #paths = new PathTable<null>();
  unpackedBytes = 0;

  constructor(pack: Pack) {
    this.#pack = pack;
  }

  get count(): number {
    return this.#paths.size;
  }

  *files(tree: string, prefix: string): Generator<ArchiveFile, void> {
    for (const { mode, name, oid } of this.#entries(tree)) {
      this.#meter.entry();
      const { text, isUtf8 } = decodeName(name);
      const path = `${prefix}${text}`;
      checkPath(path, DEFAULT_LIMITS);
      if (mode === "tree") {
        yield* this.files(oid, `${path}/`);
        continue;
      }
      const notes = [...oddities(path), ...this.#paths.addFile(path, null)];
      if (!isUtf8) notes.push({ kind: "not_utf8", other: null });
      if (mode === "submodule") {
        const nothing = { size: 0, sha256: "", content: null };
        yield { path, mode, oid, ...nothing, skipped: "submodule", notes };
        continue;
      }
      const { type, content } = this.#pack.get(oid);
      if (type !== "blob") throw damaged(`${oid} is no file`);
      const size = content.byteLength;
      this.unpackedBytes += size;
      const sha256 = createHash("sha256").update(content).digest("hex");
      const isHeld = size <= MAX_INDEXED_BYTES;
      const taken = isHeld
        ? ({ content, skipped: null } as const)
        : ({ content: null, skipped: "too_large" } as const);
      yield { path, mode, size, oid, sha256, ...taken, notes };
    }
  }

  *#entries(oid: string): Generator<{ mode: EntryMode; name: Buffer; oid: string }, void> {
    const { type, content } = this.#pack.get(oid);
    if (type !== "tree") throw damaged(`${oid} is no folder`);
    for (let at = 0; at < content.byteLength; ) {
      const space = content.indexOf(0x20, at);
      const end = content.indexOf(0, space);
      const mode = modeOfNumber(Number.parseInt(content.toString("latin1", at, space), 8));
      at = end + 1 + OID_BYTES;
      if (space < 0 || end < 0 || at > content.byteLength || mode === undefined) {
        throw damaged(`the folder ${oid} is not readable`);
      }
      yield {
        mode,
        name: content.subarray(space + 1, end),
        oid: content.toString("hex", end + 1, at),
      };
    }
  }
}
