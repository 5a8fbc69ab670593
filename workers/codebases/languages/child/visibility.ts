/** Whether a definition can be used from outside its file, as far as its own text says. */
import type { CodeSymbol } from "../parsed-file.ts";
import type { LanguageTraits } from "../traits.ts";

export interface Declaration {
  readonly name: string;
  readonly kind: string;
  readonly signature: string;
  readonly container: Pick<CodeSymbol, "kind" | "signature"> | null;
  /** True when the query found an export around it, or its name in a list of exports. */
  readonly isExported: boolean;
}

const OPENING = /(?:^|\s)(pub|public|open|export)\b/;
const CLOSING = /(?:^|\s)(private|fileprivate|protected|internal|defp|defmacrop)\b/;
const FILE_LOCAL = /^(static|local)\b|\s(static)\s/;

/** Kinds that are seen wherever what is around them, or what they extend, is seen. */
const AS_ITS_CONTAINER = new Set(["enum-member", "impl", "extension", "test"]);
/** Containers whose members are all as visible as they are. */
const OPEN_CONTAINERS = new Set(["interface", "trait", "protocol", "enum"]);
const SPACES = new Set(["namespace", "module"]);

export function isExported(traits: LanguageTraits, declaration: Declaration): boolean | null {
  const { name, kind, container } = declaration;
  if (AS_ITS_CONTAINER.has(kind) && traits.visibility !== "export") return null;
  // What follows the name can hold any word: parameters, types, a value.
  const before = declaration.signature.slice(0, declaration.signature.indexOf(name) + 1);
  const isMember = container !== null && !SPACES.has(container.kind);
  switch (traits.visibility) {
    case "unknown":
      return null;
    case "export":
      if (!isMember) return declaration.isExported;
      return CLOSING.test(before) || name.startsWith("#") ? false : null;
    case "capital":
      return /^\p{Lu}/u.test(name);
    case "no-underscore":
      return !name.startsWith("_") || /^__\w+__$/.test(name);
    case "public-keyword":
      if (OPENING.test(before)) return true;
      if (container === null) return false;
      if (OPEN_CONTAINERS.has(container.kind)) return null;
      return container.kind === "impl" && / for /.test(container.signature) ? null : false;
    case "unless-private":
      return !CLOSING.test(before);
    case "unless-file-local":
      return isMember ? null : !FILE_LOCAL.test(before);
  }
}
