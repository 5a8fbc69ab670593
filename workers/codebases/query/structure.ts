/** What a file must hold to match a pattern of code. */

/** Variables of a pattern, which stand for any code. */
const VARIABLE = /\$+[A-Z_][A-Z0-9_]*|\$\$\$/g;
/** What may begin a comment, whose text is not looked for. */
const COMMENT = /\/\/|\/\*|#|--|<!--/;
/** Tokens between which code may have blanks and comments, so that only they must be there as they are. */
const WORD = /[A-Za-z0-9_]{3,}/g;

/** Words that stand in every text that a pattern matches, in this order. */
export function wordsOfPattern(pattern: string): string[] {
  const comment = COMMENT.exec(pattern)?.index ?? pattern.length;
  const code = pattern.slice(0, comment).replaceAll(VARIABLE, " ");
  return code.match(WORD) ?? [];
}

/** Languages whose keywords are the same in either case. */
const CASELESS: ReadonlySet<string> = new Set(["php"]);

/** Whether a text may match: it has the words, one after the other. */
export function hasWords(text: string, words: readonly string[], language: string): boolean {
  const isCaseless = CASELESS.has(language);
  const subject = isCaseless ? text.toLowerCase() : text;
  let from = 0;
  for (const word of words) {
    const at = subject.indexOf(isCaseless ? word.toLowerCase() : word, from);
    if (at < 0) return false;
    from = at + word.length;
  }
  return true;
}
