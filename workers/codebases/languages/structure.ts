/** Searches texts by the structure of a pattern, in an isolate of their language. */
import structureCore from "./dist/structure.wasm.gz";
import child from "./dist/structure-child.bundle.txt";
import { grammarOf, PARSER } from "./grammars.ts";
import { type IsolateParts, isolateOf } from "./isolates.ts";
import { readLines } from "./read-lines.ts";
import { type LanguageId, registeredLanguage } from "./registry.ts";
import {
  type Places,
  type StructureParts,
  type StructureRequest,
  structureLineSchema,
} from "./structure-protocol.ts";

/** Of one request, in all; a text of its own has less. */
const REQUEST_MS = 20_000;

export type StructureAnswer =
  /** By text; null for one that takes too long. */
  | { readonly status: "found"; readonly places: readonly (Places | null)[] }
  /** It is not a pattern of the language. `at` is an offset in it. */
  | { readonly status: "invalid"; readonly message: string; readonly at: number | null };

/** Where code by itself is read as something else than it is inside of a function. */
const CONTEXTS: Readonly<Partial<Record<LanguageId, string>>> = {
  go: "package p\nfunc f() {\n@\n}\n",
  c: "void f() {\n@;\n}\n",
  cpp: "void f() {\n@;\n}\n",
  java: "class C { void f() {\n@;\n} }\n",
  csharp: "class C { void F() {\n@;\n} }\n",
  php: "<?php\n@;\n",
  css: "a {\n@;\n}\n",
  dart: "void f() {\n@;\n}\n",
  zig: "fn f() void {\n@;\n}\n",
};

function partsOf(language: LanguageId): IsolateParts {
  const own: StructureParts = {
    language,
    expando: registeredLanguage(language)?.expando ?? "$",
    context: CONTEXTS[language] ?? null,
  };
  return {
    name: `structure:${language}`,
    code: child,
    parts: JSON.stringify(own),
    wasm: {
      "core.wasm": PARSER.core,
      "grammar.wasm": grammarOf(language).wasm,
      "structure.wasm": structureCore,
    },
  };
}

/** An isolate that goes down, or is too slow, leaves the texts it has not come to without an answer. */
export async function searchStructure(
  loader: WorkerLoader,
  language: LanguageId,
  request: StructureRequest,
): Promise<StructureAnswer> {
  const isolate = isolateOf(loader, partsOf(language));
  const places: (Places | null)[] = request.texts.map(() => null);
  try {
    const response = await isolate.fetch(JSON.stringify(request), AbortSignal.timeout(REQUEST_MS));
    if (response.body === null) throw new Error("it answered nothing");
    for await (const text of readLines(response.body)) {
      const line = structureLineSchema.parse(JSON.parse(text));
      if ("pattern_problem" in line) {
        return { status: "invalid", message: line.pattern_problem, at: line.at };
      }
      if ("refused" in line) throw new Error(line.refused);
      if ("done" in line) return { status: "found", places };
      if (line.index in places) places[line.index] = line.places;
    }
    throw new Error("it ended in the middle of its answer");
  } catch {
    isolate.retire();
    return { status: "found", places };
  }
}
