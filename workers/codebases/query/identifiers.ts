/** Words of questions, split as the word index splits what it takes. */
import { splitIdentifier } from "../languages/words.ts";

const IDENTIFIER = /[\p{L}\p{N}\p{M}_$]+(?:-[\p{L}\p{N}]+)*/gu;

/** Words of questions that say nothing about code. */
const STOP_WORDS: ReadonlySet<string> = new Set(
  (
    "a an and are as at be by can could did do does find for from get how i if in into is it me my of on or our please " +
    "should show so that the their them then there these they this to was we were what when where which who why will with would you your"
  ).split(" "),
);
const MAX_QUERY_WORDS = 32;

/** Each word that matters of a question, once, identifiers split; all of them when only stop words are left. */
export function queryWords(text: string): string[] {
  const all = [
    ...new Set([...text.matchAll(IDENTIFIER)].flatMap(([each]) => splitIdentifier(each))),
  ];
  const telling = all.filter((word) => !STOP_WORDS.has(word));
  return (telling.length > 0 ? telling : all).slice(0, MAX_QUERY_WORDS);
}

/** A string of FTS5: in quotes no character of it is an operator. NUL ends an expression and is left out. */
export function quoteForFts(text: string): string {
  return `"${text.replaceAll("\0", "").replaceAll('"', '""')}"`;
}

/** A MATCH expression for the word index; null when the text has no word. */
export function wordExpression(text: string, join: "AND" | "OR"): string | null {
  const words = queryWords(text);
  return words.length === 0 ? null : words.map(quoteForFts).join(` ${join} `);
}
