/** The isolates that parse: one a grammar, named by what it is made of. */
import { type Grammar, PARSER } from "./grammars.ts";
import { type Isolate, isolateOf } from "./isolates.ts";
import type { ChildParts } from "./traits.ts";

const partsOf = ({ query, traits, embedded }: Grammar): ChildParts => ({
  own: { query, traits },
  embedded: embedded && { query: embedded.query, traits: embedded.traits },
});

/** Finds or makes the isolate of a grammar; each lane has its own, for work side by side. */
export function parserChild(loader: WorkerLoader, grammar: Grammar, lane: string): Isolate {
  const { wasm, traits, embedded } = grammar;
  return isolateOf(loader, {
    name: `parser:${traits.id}:${lane}`,
    code: PARSER.child,
    parts: JSON.stringify(partsOf(grammar)),
    wasm: {
      "core.wasm": PARSER.core,
      "grammar.wasm": wasm,
      ...(embedded && { "embedded.wasm": embedded.wasm }),
    },
  });
}
