/** Makes the Dynamic Workers that read code: one isolate a thing that they are made of. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";

const COMPATIBILITY_DATE = "2026-11-01";
/** A grammar is some MB; what inflates to more is not one. */
const MAX_WASM_BYTES = 32 << 20;
/** Of CPU time for one batch, enforced by the platform when deployed. */
const CPU_MS = 60_000;

export type WasmBytes = ArrayBuffer | Uint8Array;

export interface IsolateParts {
  /** Begins the isolate's id; what it is made of follows. */
  readonly name: string;
  /** The main module. */
  readonly code: string;
  /** What the main module reads of itself, as `parts.txt`. */
  readonly parts: string;
  /** By the names that the main module imports them by; gzip-compressed or as they are. */
  readonly wasm: Readonly<Record<string, WasmBytes>>;
}

/** Grammars are few and live as long as the Worker; users' are the caller's to keep. */
const digests = new WeakMap<WasmBytes, string>();

export function digestOf(bytes: WasmBytes): string {
  const known = digests.get(bytes);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(viewOf(bytes)).digest("hex");
  digests.set(bytes, digest);
  return digest;
}

const viewOf = (bytes: WasmBytes): Uint8Array =>
  bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);

/** The bytes of a wasm module, inflated where they are compressed. */
function inflate(bytes: WasmBytes): ArrayBuffer {
  const view = viewOf(bytes);
  const isCompressed = view[0] === 0x1f && view[1] === 0x8b;
  const plain = isCompressed ? gunzipSync(view, { maxOutputLength: MAX_WASM_BYTES }) : view;
  return new Uint8Array(plain).buffer;
}

/** Equal parts share an isolate, and changed ones do not. */
function identityOf({ name, code, parts, wasm }: IsolateParts): string {
  const hash = createHash("sha256").update(code).update(parts);
  for (const [file, bytes] of Object.entries(wasm)) hash.update(file).update(digestOf(bytes));
  return `${name}:${hash.digest("hex")}`;
}

function definition({ code, parts, wasm }: IsolateParts): WorkerLoaderWorkerCode {
  const modules = Object.entries(wasm).map(([file, bytes]) => [file, { wasm: inflate(bytes) }]);
  return {
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: ["enable_request_signal"],
    mainModule: "main.js",
    modules: { "main.js": code, "parts.txt": { text: parts }, ...Object.fromEntries(modules) },
    env: {},
    globalOutbound: null,
    limits: { cpuMs: CPU_MS },
  };
}

const MAX_RETIRED = 1_000;
/** When the last isolate of an identity was given up; part of the next one's id. */
const generations = new Map<string, number>();

/** An isolate that is replaceable when it is in doubt. */
export interface Isolate {
  fetch(body: string, signal: AbortSignal | undefined): Promise<Response>;
  /** Gives the isolate up, so that the next request starts a new one. */
  retire(): void;
}

export function isolateOf(loader: WorkerLoader, parts: IsolateParts): Isolate {
  const identity = identityOf(parts);
  return {
    fetch(body, signal) {
      const id = `${identity}@${generations.get(identity) ?? 0}`;
      const worker = loader.get(id, () => definition(parts));
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
