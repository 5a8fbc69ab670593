/** Attributes of paths, from .gitattributes files, by git's rules of precedence. */
import { AttributeLines, type AttributeState, type Rule, readRules } from "./attribute-lines.ts";
import { compareBytewise } from "./path-order.ts";

export type { AttributeState } from "./attribute-lines.ts";

/** What .gitattributes says of a file to linguist, and so to classification; absent is unsaid. */
export interface LinguistAttributes {
  readonly generated?: boolean;
  readonly vendored?: boolean;
  readonly documentation?: boolean;
  readonly detectable?: boolean;
  /** As it is written; compare it with the names of languages ignoring case. */
  readonly language?: string;
  /** Marked `binary`, or `-diff -text`. */
  readonly binary?: boolean;
}

export interface AttributesFile {
  /** Of the file itself, such as `src/.gitattributes`. */
  readonly path: string;
  readonly content: string;
}

const FILE_NAME = ".gitattributes";

/** Whether a path is one that `Attributes` reads. */
export function isAttributesFile(path: string): boolean {
  return path === FILE_NAME || path.endsWith(`/${FILE_NAME}`);
}

/** The attributes of all paths of a snapshot. */
export class Attributes {
  /** By the folder they are in, `""` for the top. */
  readonly #rules = new Map<string, readonly Rule[]>();
  readonly #lines = new AttributeLines();

  constructor(files: Iterable<AttributesFile>) {
    // Macros are defined at the top alone, so that is read before what uses them.
    const sorted = [...files].sort((a, b) => compareBytewise(a.path, b.path));
    for (const { path, content } of sorted) {
      if (!isAttributesFile(path)) continue;
      const folder = path.slice(0, Math.max(0, path.length - FILE_NAME.length - 1));
      this.#rules.set(folder, readRules(content, folder === "" ? this.#lines : null));
    }
  }

  /** What is set of a path: true, false, a value; `unspecified` is absent. */
  of(path: string): ReadonlyMap<string, string | boolean> {
    const found = new Map<string, AttributeState>();
    for (const folder of foldersUpward(path)) {
      const rules = this.#rules.get(folder);
      if (rules === undefined) continue;
      const below = folder === "" ? path : path.slice(folder.length + 1);
      const name = path.slice(path.lastIndexOf("/") + 1);
      // The last line that matches wins, and the file nearest to the path.
      for (let at = rules.length - 1; at >= 0; at -= 1) {
        const rule = rules[at];
        if (rule?.matches(below, name)) this.#lines.apply(rule.states, found);
      }
    }
    const specified = new Map<string, string | boolean>();
    for (const [name, state] of found) if (state !== null) specified.set(name, state);
    return specified;
  }

  linguist(path: string): LinguistAttributes {
    if (this.#rules.size === 0) return {};
    const set = this.of(path);
    const flag = (name: string): boolean | undefined => {
      const state = set.get(name);
      return state === undefined ? undefined : state === true || state === "true";
    };
    const language = set.get("linguist-language");
    const isBinary =
      set.get("binary") === true || (set.get("text") === false && set.get("diff") === false);
    const said = {
      generated: flag("linguist-generated"),
      vendored: flag("linguist-vendored"),
      documentation: flag("linguist-documentation"),
      detectable: flag("linguist-detectable"),
      language: typeof language === "string" ? language : undefined,
      binary: isBinary ? true : undefined,
    };
    return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  }
}

function* foldersUpward(path: string): Generator<string, void> {
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
    yield path.slice(0, slash);
  }
  yield "";
}
