/** The files of a snapshot, as searches go through them. */
import type { LinguistAttributes } from "../../intake/attributes.ts";
import { detectLanguage } from "../../intake/detect-language.ts";
import { isGenerated } from "../../intake/generated.ts";
import type { LeafMode } from "../../intake/git-objects.ts";
import { languageNamed } from "../../intake/languages.ts";
import { pathFlags } from "../../intake/path-flags.ts";
import { registeredLanguage } from "../../languages/registry.ts";
import type { FileTrait } from "../../query/query.ts";
import type { Blob } from "./blobs.ts";
import { grammarKey, type ProjectLanguages } from "./project-languages.ts";

/** What is known of a file; a search by a trait of the query language looks at these alone. */
export const TRAITS = [
  "generated",
  "vendored",
  "test",
  "binary",
  "minified",
  "doc",
  "lockfile",
  "too_large",
  "secret",
  "symlink",
  "submodule",
] as const;
export type Trait = (typeof TRAITS)[number];

const BITS: ReadonlyMap<Trait, number> = new Map(TRAITS.map((trait, at) => [trait, 1 << at]));
const bitOf = (trait: Trait) => BITS.get(trait) ?? 0;

/** A path with what its trees say of it. */
export interface ListedFile {
  readonly path: string;
  readonly mode: LeafMode;
  readonly oid: string;
  /** Its id in the language table of classification, or a user's; null when none was recognized. */
  readonly language: string | null;
  /** What parses its language: an id of the registry, or the key of a user's grammar. */
  readonly grammar: string | null;
  /** As its tree keeps it, before attributes and the languages of the project. */
  readonly described: Described;
  /** A bit for each of TRAITS. */
  readonly traits: number;
  /** Null for a submodule. */
  readonly blob: Blob | null;
}

/** What trees keep of an entry beside git's own: it follows from the name and the content alone. */
export interface Described {
  readonly language: string | null;
  readonly generated: boolean;
}

/** Describes a file by its name and its text, which is null when it has none. */
export function describe(path: string, text: string | null): Described {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return { language: detectLanguage(name, text)?.id ?? null, generated: isGenerated(name, text) };
}

/** What files are listed with beside their trees. */
export interface ListingContext {
  readonly attributes: LinguistAttributes;
  /** Those of the project come before what is recognized, and after attributes. */
  readonly languages: ProjectLanguages;
}

export function listFile(
  { path, mode, oid }: { path: string; mode: LeafMode; oid: string },
  described: Described,
  blob: Blob | null,
  { attributes, languages }: ListingContext,
): ListedFile {
  const flags = pathFlags(path);
  const named = attributes.language === undefined ? null : languageNamed(attributes.language);
  const own =
    languages.named(attributes.language ?? null) ??
    (named === null ? (languages.of(path) ?? languages.named(described.language)) : null);
  const language = own?.name ?? named?.id ?? described.language;
  const isProse = language !== null && languageNamed(language)?.kind === "prose";
  const isHeld = blob?.is_held ?? false;
  const holds: Readonly<Record<Trait, boolean>> = {
    generated:
      attributes.generated ?? (flags.lockfile || described.generated || isGenerated(path, null)),
    vendored: attributes.vendored ?? flags.vendored,
    test: flags.test,
    binary: attributes.binary ?? (isHeld && blob?.encoding === null),
    minified: blob?.is_minified ?? false,
    doc: attributes.documentation ?? (flags.documentation || isProse),
    lockfile: flags.lockfile,
    too_large: blob !== null && !isHeld,
    secret: (blob?.secrets ?? 0) > 0,
    symlink: mode === "symlink",
    submodule: mode === "submodule",
  };
  const traits = TRAITS.reduce((bits, trait) => (holds[trait] ? bits | bitOf(trait) : bits), 0);
  const grammar =
    own !== null ? grammarKey(own) : ((language && registeredLanguage(language)?.id) ?? null);
  return {
    ...{ path, mode, oid, language, grammar, traits, blob },
    described: { language: described.language, generated: described.generated },
  };
}

export function has({ traits }: Pick<ListedFile, "traits">, trait: Trait): boolean {
  return (traits & bitOf(trait)) !== 0;
}

export function traitsOf(file: Pick<ListedFile, "traits">): Trait[] {
  return TRAITS.filter((trait) => has(file, trait));
}

/** The traits that queries name; a deployment has no archived, forked or public codebases. */
export function queryTraits(file: Pick<ListedFile, "traits">): ReadonlySet<FileTrait> {
  const set = new Set<FileTrait>();
  for (const trait of ["generated", "vendored", "test", "binary", "minified", "doc"] as const) {
    if (has(file, trait)) set.add(trait);
  }
  return set;
}

/** Whether its text is searched: not what is binary, a link, or too large to be held. */
export function isSearched(file: ListedFile): boolean {
  return (
    file.blob !== null &&
    file.blob.encoding !== null &&
    !has(file, "symlink") &&
    !has(file, "binary")
  );
}

/** The grammar that parses it; null when none does, and for what is not worth parsing. */
export function grammarFor(file: ListedFile): string | null {
  return isSearched(file) && !has(file, "minified") ? file.grammar : null;
}

/** All files of one snapshot, in git's order of paths. */
export class Listing {
  readonly files: readonly ListedFile[];
  /** Blobs in several rows of the text index. */
  readonly chunked = new Set<number>();
  readonly #counts = new Map<Trait, number>();
  readonly #byPath = new Map<string, number>();
  readonly #byBlob = new Map<number, number[]>();

  constructor(files: readonly ListedFile[]) {
    this.files = files;
    for (const [index, { path, blob }] of files.entries()) {
      this.#byPath.set(path, index);
      if (blob === null) continue;
      if (blob.chunks > 1) this.chunked.add(blob.id);
      const known = this.#byBlob.get(blob.id);
      if (known === undefined) this.#byBlob.set(blob.id, [index]);
      else known.push(index);
    }
  }

  at(path: string): ListedFile | null {
    const index = this.#byPath.get(path);
    return index === undefined ? null : (this.files[index] ?? null);
  }

  indexOf(path: string): number | null {
    return this.#byPath.get(path) ?? null;
  }

  /** How many files have a trait. */
  count(trait: Trait): number {
    let count = this.#counts.get(trait);
    if (count === undefined) {
      count = this.files.filter((file) => has(file, trait)).length;
      this.#counts.set(trait, count);
    }
    return count;
  }

  /** Indexes of the files with this content. */
  withBlob(id: number): readonly number[] {
    return this.#byBlob.get(id) ?? [];
  }

  get blobs(): Iterable<number> {
    return this.#byBlob.keys();
  }
}
