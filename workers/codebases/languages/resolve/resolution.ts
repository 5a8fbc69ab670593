/** What a module name means inside a snapshot. */
import { nearest, type PathIndex } from "./paths.ts";

/**
 * `exact` follows the rules of the language, `likely` a convention or a unique ending of a path,
 * `ambiguous` is the nearest of several.
 */
export type Confidence = "exact" | "likely" | "ambiguous";

export interface Resolution {
  /** Null when the module is not of the snapshot. */
  readonly path: string | null;
  /** True when `path` is a folder: a package, whose files share their names. */
  readonly isFolder: boolean;
  readonly confidence: Confidence;
}

/** A module of the language, of a dependency, or of nowhere. */
export const OUTSIDE: Resolution = { path: null, isFolder: false, confidence: "exact" };
/** A module that the snapshot should have. */
export const MISSING: Resolution = { path: null, isFolder: false, confidence: "likely" };

export const exact = (path: string): Resolution => ({ path, isFolder: false, confidence: "exact" });
export const likely = (path: string): Resolution => ({
  path,
  isFolder: false,
  confidence: "likely",
});

/** An import as the resolver takes it. */
export interface ImportedModule {
  readonly module: string;
  /** The names that are taken from it; they can be modules themselves. */
  readonly names: readonly { readonly name: string }[];
}

/** The one file or folder of `candidates`, or the nearest to `from`; null when there is none. */
export function choose(
  candidates: readonly string[],
  from: string,
  isFolder = false,
): Resolution | null {
  const path = nearest(candidates, from);
  if (path === null) return null;
  return { path, isFolder, confidence: candidates.length === 1 ? "likely" : "ambiguous" };
}

/** The file that a path's ending means, when no rule of the language says more. */
export function byEnding(
  index: PathIndex,
  endings: readonly string[],
  from: string,
): Resolution | null {
  for (const ending of endings) {
    const found = choose(index.endingWith(ending), from);
    if (found !== null) return found;
  }
  return null;
}

/** Finds what a module means to a file. */
export type Resolver = (from: string, imported: ImportedModule) => Resolution;
