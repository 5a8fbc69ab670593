/** The words of each symbol for the word index. */
import type { Answer } from "../parsed-file.ts";
import { bodyWords, identifierWords, splitIdentifier } from "../words.ts";
import type { Draft } from "./symbols.ts";

type Chunk = Answer["chunks"][number];

/** Kinds of which a file has so many that a row for each would drown the others. */
const WITHOUT_CHUNK = new Set(["field", "property", "variable", "enum-member", "selector", "id"]);

const words = (text: string) => [
  ...new Set(text.match(/[\p{L}\p{N}_$]+/gu)?.flatMap(splitIdentifier)),
];

/** One chunk a symbol; one for the whole file when it has none. */
export function makeChunks(text: string, drafts: readonly Draft[]): Chunk[] {
  const chunks: Chunk[] = [];
  for (const [index, { symbol, body }] of drafts.entries()) {
    if (WITHOUT_CHUNK.has(symbol.kind) && symbol.container !== null) continue;
    const name = identifierWords(symbol.name);
    const said = words(`${symbol.signature} ${symbol.doc ?? ""}`);
    const seen = new Set([...name.split(" "), ...said]);
    chunks.push({
      symbol: index,
      name,
      signature: said.join(" "),
      body: bodyWords(text.slice(body ?? symbol.start, symbol.end), seen),
    });
  }
  if (chunks.length > 0) return chunks;
  const body = bodyWords(text, new Set());
  return body === "" ? [] : [{ symbol: null, name: "", signature: "", body }];
}
