/** Turns a glob over paths into RE2: `*` and `?` stay within a folder, `**` crosses them. */
import { RE2JS } from "re2js";

/**
 * The expression of a glob, over paths without a leading slash. A glob that begins with a slash begins at the root,
 * any other at the root or at a folder; both end where the path ends. Everything but stars and question marks stands
 * for itself, since names such as `[slug].tsx` are common.
 */
export function globToRegex(glob: string): string {
  const rooted = glob.startsWith("/");
  const body = rooted ? glob.slice(1) : glob;
  let source = "";
  for (const [piece] of body.matchAll(/\*\*\/|\*{2,}|[*?]|[^*?]+/g)) {
    if (piece === "**/") source += "(?:.*/)?";
    else if (piece === "*") source += "[^/]*";
    else if (piece === "?") source += "[^/]";
    else if (piece.startsWith("**")) source += ".*";
    else source += RE2JS.quote(piece);
  }
  return `(?s)^${rooted ? "" : "(?:.*/)?"}${source}$`;
}
