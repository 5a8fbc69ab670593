/** Makes the Dynamic Workers that parse: one isolate a grammar, named by what it is made of. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { type Grammar, PARSER } from "./grammars.ts";
import type { ChildParts } from "./traits.ts";

const COMPATIBILITY_DATE = "2026-11-01";
/** A grammar is some MB; what inflates to more is not one. */
const MAX_WASM_BYTES = 32 << 20;
/** Of CPU time for one batch, enforced by the platform when deployed. */
const CPU_MS = 60_000;

/** Grammars are few and live as long as the Worker; users' are the caller's to keep. */
const digests = new WeakMap<ArrayBuffer | Uint8Array, string>();

function digestOf(bytes: ArrayBuffer | Uint8Array): string {
  const known = digests.get(bytes);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(viewOf(bytes)).digest("hex");
  digests.set(bytes, digest);
  return digest;
}

const viewOf = (bytes: ArrayBuffer | Uint8Array): Uint8Array =>
  bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);

/** The bytes of a wasm module, inflated where they are compressed. */
function inflate(bytes: ArrayBuffer | Uint8Array): ArrayBuffer {
  const view = viewOf(bytes);
  const isCompressed = view[0] === 0x1f && view[1] === 0x8b;
  const plain = isCompressed ? gunzipSync(view, { maxOutputLength: MAX_WASM_BYTES }) : view;
  return new Uint8Array(plain).buffer;
}

const partsOf = ({ query, traits, embedded }: Grammar): ChildParts => ({
  own: { query, traits },
  embedded: embedded && { query: embedded.query, traits: embedded.traits },
});

/** Names a grammar by its content, so that equal ones share an isolate and changed ones do not. */
export function grammarDigest(grammar: Grammar): string {
  const hash = createHash("sha256").update(JSON.stringify(partsOf(grammar)));
  hash.update(digestOf(grammar.wasm));
  if (grammar.embedded) hash.update(digestOf(grammar.embedded.wasm));
  return hash.update(PARSER.child).update(digestOf(PARSER.core)).digest("hex");
}

function definition(grammar: Grammar): WorkerLoaderWorkerCode {
  const { embedded } = grammar;
  return {
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: ["enable_request_signal"],
    mainModule: "parser.js",
    modules: {
      "parser.js": PARSER.child,
      "parts.txt": { text: JSON.stringify(partsOf(grammar)) },
      "core.wasm": { wasm: inflate(PARSER.core) },
      "grammar.wasm": { wasm: inflate(grammar.wasm) },
      ...(embedded && { "embedded.wasm": { wasm: inflate(embedded.wasm) } }),
    },
    env: {},
    globalOutbound: null,
    limits: { cpuMs: CPU_MS },
  };
}

const MAX_RETIRED = 1_000;
/** When the last isolate of an identity was given up; part of the next one's id. */
const generations = new Map<string, number>();

/** One isolate of a grammar, replaceable when it is in doubt. */
export interface ParserChild {
  fetch(body: string, signal: AbortSignal | undefined): Promise<Response>;
  /** Gives the isolate up, so that the next request starts a new one. */
  retire(): void;
}

/** Finds or makes the isolate of a grammar; each lane has its own, for work side by side. */
export function parserChild(loader: WorkerLoader, grammar: Grammar, lane: number): ParserChild {
  const identity = `parser:${grammar.traits.id}:${grammarDigest(grammar)}:${lane}`;
  return {
    fetch(body, signal) {
      const worker = loader.get(`${identity}@${generations.get(identity) ?? 0}`, () =>
        definition(grammar),
      );
      const request = { method: "POST", body, ...(signal && { signal }) };
      return worker.getEntrypoint().fetch("http://parser/", request);
    },
    retire() {
      if (generations.size >= MAX_RETIRED) generations.clear();
      // By the clock, since the loader may still hold isolates of an earlier life of this one.
      generations.set(identity, Math.max(Date.now(), (generations.get(identity) ?? 0) + 1));
    },
  };
}
