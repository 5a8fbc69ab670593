/**
 * Finds or makes the Dynamic Worker that runs an attempt. A child is warm by project, code and
 * permissions: attempts that share all three share its isolate, and with it module globals.
 */
import { createHash } from "node:crypto";
import type { Language } from "../port.ts";
import bashChild from "./dist/bash-child.bundle.txt";
import javascriptChild from "./dist/javascript-child.bundle.txt";
import { stripTypes } from "./typescript.ts";

const COMPATIBILITY_DATE = "2026-11-01";
/**
 * The first tells a child that its parent has hung up, which ends what its code still has going.
 * The second keeps the code from calling its own harness, in a request that the parent cannot end.
 */
const COMPATIBILITY_FLAGS = ["enable_request_signal", "disallow_importable_env"];
/** Compiled scripts kept by their text, so that a hot one is neither hashed nor parsed again. */
const MAX_COMPILED = 256;
/** Of all scripts that are kept: the isolate's memory is shared by every object in it. */
const MAX_COMPILED_CHARS = 4 << 20;
const MAX_RETIRED = 1_000;

export interface ChildrenDeps {
  readonly loader: WorkerLoader;
  /** What a child's `fetch` goes through; null refuses the network altogether. */
  readonly egress: (props: {
    readonly allow: readonly string[];
    readonly project_id: string;
  }) => Fetcher | null;
  /** CPU time of one attempt, enforced by the platform when deployed. */
  readonly cpuMs: number;
}

/** What a child may share with other attempts, and what it may do. */
export interface ChildScope {
  readonly project_id: string;
  readonly allow: readonly string[];
  readonly isolation: "shared" | "fresh";
}

/** Code that a child runs: a script of its own, or the shell that takes scripts as requests. */
export interface ChildCode {
  readonly digest: string;
  readonly main: string;
  /** The task's module; null in a shell child. */
  readonly script: string | null;
}

const digest = (...texts: string[]): string => {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  return hash.digest("hex");
};

let shellCode: ChildCode | null = null;
const compiled = new Map<string, ChildCode>();
let compiledChars = 0;

/** The shell child's code, the same for every shell task. */
export function compileShell(): ChildCode {
  shellCode ??= { digest: digest("bash", bashChild), main: bashChild, script: null };
  return shellCode;
}

/** Compiles a script for its child; throws AttemptFailed when it is not TypeScript. */
export function compileScript(script: string, language: Language): ChildCode {
  const key = `${language}:${script}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const code: ChildCode = {
    digest: digest(language, script, javascriptChild),
    main: javascriptChild,
    script: language === "typescript" ? stripTypes(script) : script,
  };
  if (key.length > MAX_COMPILED_CHARS) return code;
  compiled.set(key, code);
  compiledChars += key.length;
  for (const oldest of compiled.keys()) {
    if (compiled.size <= MAX_COMPILED && compiledChars <= MAX_COMPILED_CHARS) break;
    compiled.delete(oldest);
    compiledChars -= oldest.length;
  }
  return code;
}

/** What one attempt may do that others in the same isolate may not. */
export interface ChildProps {
  /** Invokes skills; null when the code may invoke none. */
  readonly skills: Fetcher | null;
}

export class Children {
  readonly #deps: ChildrenDeps;
  /** When the last child of an identity was given up; part of the next one's id. */
  readonly #generations = new Map<string, number>();

  constructor(deps: ChildrenDeps) {
    this.#deps = deps;
  }

  /** The child's entrypoint; its isolate starts with the first request, unless it is warm. */
  get(code: ChildCode, scope: ChildScope, egress: Fetcher | null, props: ChildProps): Fetcher {
    const { loader } = this.#deps;
    const worker =
      scope.isolation === "fresh"
        ? loader.load(this.#definition(code, egress))
        : loader.get(this.#id(code, scope), () => this.#definition(code, egress));
    return worker.getEntrypoint(undefined, { props });
  }

  /** Gives a warm child up, so that the next attempt gets a new isolate. */
  retire(code: ChildCode, scope: ChildScope): void {
    const identity = this.#identity(code, scope);
    if (this.#generations.size >= MAX_RETIRED) this.#generations.clear();
    // By the clock, since the loader may still hold children of an earlier life of this object.
    const previous = this.#generations.get(identity) ?? 0;
    this.#generations.set(identity, Math.max(Date.now(), previous + 1));
  }

  /** The egress of a scope; undefined when it asks for a network that there is not. */
  egress(scope: ChildScope): Fetcher | null | undefined {
    if (scope.allow.length === 0) return null;
    const { project_id, allow } = scope;
    return this.#deps.egress({ project_id, allow }) ?? undefined;
  }

  #identity(code: ChildCode, { project_id, allow }: ChildScope): string {
    return JSON.stringify([code.digest, project_id, ...[...allow].sort()]);
  }

  #id(code: ChildCode, scope: ChildScope): string {
    const identity = this.#identity(code, scope);
    const generation = this.#generations.get(identity);
    return generation === undefined ? identity : `${identity}@${generation}`;
  }

  #definition(code: ChildCode, globalOutbound: Fetcher | null): WorkerLoaderWorkerCode {
    return {
      compatibilityDate: COMPATIBILITY_DATE,
      compatibilityFlags: COMPATIBILITY_FLAGS,
      mainModule: "harness.js",
      modules:
        code.script === null
          ? { "harness.js": code.main }
          : { "harness.js": code.main, "script.js": code.script },
      env: {},
      globalOutbound,
      limits: { cpuMs: this.#deps.cpuMs },
    };
  }
}
