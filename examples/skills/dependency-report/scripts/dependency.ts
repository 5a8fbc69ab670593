/** What every manifest comes to, and how its versions are judged. */

export type Kind = "runtime" | "development" | "build" | "optional" | "peer" | "indirect";
export type Pinning = "pinned" | "range" | "any" | "source";

export interface Dependency {
  readonly name: string;
  /** As it is written; null where nothing is. */
  readonly version: string | null;
  readonly kind: Kind;
  readonly pinning: Pinning;
}

const EXACT = /^[v=]*\d+(?:\.\d+)*(?:[-+.][\w.+-]*)?$/;
const FULL = /^[v=]*\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$/;
const WHATEVER = new Set(["", "*", "x", "latest"]);

/** npm's and Composer's: a version that is not complete stands for several. */
export function pinningOfSemver(version: string): Pinning {
  if (WHATEVER.has(version.trim())) return "any";
  if (/^(?:npm|workspace|file|link|git|github|https?|git\+\w+):|\//.test(version)) return "source";
  return FULL.test(version.trim()) ? "pinned" : "range";
}

export function pinningOfPython(specifier: string): Pinning {
  const text = specifier.trim();
  if (text === "" || text === "*") return "any";
  if (text.startsWith("@")) return "source";
  return /^={2,3}[^,*]+$/.test(text) ? "pinned" : "range";
}

export function pinningOfCargo(version: string | null): Pinning {
  if (version === null || WHATEVER.has(version.trim())) return "any";
  return version.trim().startsWith("=") && EXACT.test(version.trim()) ? "pinned" : "range";
}

export function pinningOfMaven(version: string | null): Pinning {
  if (version === null) return "any";
  if (/^(?:LATEST|RELEASE)$/.test(version)) return "any";
  return /^[[(].*,.*[\])]$/.test(version) ? "range" : "pinned";
}
