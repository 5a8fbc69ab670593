/** Paths that a command or a script names, as far as its text alone tells. */

const MAX_NAMED = 50;
const MAX_TEXT_CHARS = 64 * 1024;
/** What separates words in a shell line and in the languages of scripts. */
const SEPARATORS = /[\s"'`=,;|&<>(){}[\]]+/;
const PATH = /^(?:\.{0,2}\/)?[\w@+.-]+(?:\/[\w@+.-]+)*\.\w+$/;

/** Words that may be files, each once. What is a file at all is for the codebase to say. */
export function namedPaths(text: string): string[] {
  const found = new Set<string>();
  for (const word of text.slice(0, MAX_TEXT_CHARS).split(SEPARATORS)) {
    if (PATH.test(word)) found.add(word);
    if (found.size === MAX_NAMED) break;
  }
  return [...found];
}
