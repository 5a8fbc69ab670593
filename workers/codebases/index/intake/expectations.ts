/** Which blobs a parser is to see, by the grammars that their files have now. */
import { grammarFor, type Listing } from "../storage/listing.ts";
import type { ProjectLanguages } from "../storage/project-languages.ts";
import { readGrammarKey } from "../storage/project-languages.ts";
import type { SymbolStore } from "../storage/symbols.ts";

export interface ExpectationDeps {
  readonly symbols: SymbolStore;
  readonly languages: ProjectLanguages;
}

/**
 * Notes what is to be parsed, and forgets what grammars said that are gone; returns how many blobs
 * wait. Content that files of two languages have is parsed once, with a user's grammar if one is its.
 */
export function expectSymbols(listing: Listing, { symbols, languages }: ExpectationDeps): number {
  const grammars = symbols.grammars();
  let waiting = 0;
  for (const file of listing.files) {
    const { blob, path } = file;
    if (blob === null) continue;
    const grammar = grammarFor(file);
    const known = grammars.get(blob.id) ?? null;
    if (known === grammar) continue;
    const isStale = known !== null && !languages.isCurrent(known);
    if (grammar === null) {
      if (isStale) {
        symbols.remove(blob.id);
        grammars.delete(blob.id);
      }
      continue;
    }
    const isOverruled =
      known !== null && readGrammarKey(known) === null && readGrammarKey(grammar) !== null;
    if (isStale || isOverruled) symbols.remove(blob.id);
    grammars.set(blob.id, grammar);
    if (symbols.expect(blob.id, grammar, path)) waiting += 1;
  }
  return waiting;
}
