/** Users' grammars in the blob store: what a parser is made of, and never anything of another project. */
import { createHash } from "node:crypto";
import type { Grammar } from "../languages/grammars.ts";
import { languageTraits } from "../languages/traits.ts";
import type { GrammarRow } from "./repository.ts";
import type { GrammarTraits } from "./schemas.ts";

type GrammarRef = Pick<GrammarRow, "id" | "project_id">;

const prefixOf = ({ id, project_id }: GrammarRef) => `grammars/${project_id}/${id}/`;
const keysOf = (grammar: GrammarRef, content: string) =>
  [`${prefixOf(grammar)}${content}.wasm`, `${prefixOf(grammar)}${content}.scm`] as const;

/** What a user has sent of a language. */
export interface GrammarContent {
  readonly name: string;
  readonly traits: GrammarTraits;
  readonly wasm: Uint8Array;
  readonly query: string;
}

export function versionOf({ name, traits, wasm, query }: GrammarContent): string {
  const { extensions, filenames, aliases, line_comments } = traits;
  const said = [name, extensions, filenames, aliases, line_comments, query];
  return createHash("sha256").update(JSON.stringify(said)).update(wasm).digest("hex");
}

/** As a parser takes it. */
export function toGrammar({ name, traits, wasm, query }: GrammarContent): Grammar {
  const { line_comments: lineComments } = traits;
  return { wasm, query, traits: languageTraits.parse({ id: name, lineComments }), embedded: null };
}

export class GrammarStore {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async put(grammar: GrammarRef, content: string, { wasm, query }: GrammarContent): Promise<void> {
    const [wasmKey, queryKey] = keysOf(grammar, content);
    await Promise.all([this.#bucket.put(wasmKey, wasm), this.#bucket.put(queryKey, query)]);
  }

  /** Null when it is gone. */
  async get(row: GrammarRow): Promise<GrammarContent | null> {
    const [wasmKey, queryKey] = keysOf(row, row.content);
    const [wasm, query] = await Promise.all([
      this.#bucket.get(wasmKey),
      this.#bucket.get(queryKey),
    ]);
    if (wasm === null || query === null) return null;
    const { name, traits } = row;
    return { name, traits, wasm: await wasm.bytes(), query: await query.text() };
  }

  async drop(grammar: GrammarRef, content: string): Promise<void> {
    await this.#bucket.delete([...keysOf(grammar, content)]);
  }

  /** All versions of it. */
  async remove(grammar: GrammarRef): Promise<void> {
    for (;;) {
      const { objects } = await this.#bucket.list({ prefix: prefixOf(grammar) });
      if (objects.length === 0) return;
      await this.#bucket.delete(objects.map(({ key }) => key));
    }
  }
}
