/** Reads trees of imported paths, such as `a::{b, c::{self, d as e}, f::*}` of Rust. */

export interface Use {
  readonly module: string;
  readonly name: string;
  readonly alias: string | null;
}

const MAX_USES = 500;

/** The parts between commas that stand outside braces. */
function parts(list: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < list.length; at += 1) {
    const char = list[at];
    if (char === "{") depth += 1;
    else if (char === "}") depth -= 1;
    else if (char === "," && depth === 0) {
      found.push(list.slice(from, at));
      from = at + 1;
    }
  }
  found.push(list.slice(from));
  return found.map((part) => part.trim()).filter((part) => part !== "");
}

function leaf(prefix: string, path: string): Use {
  const [target = "", alias = null] = path.split(/\s+as\s+|\s*=>\s*/);
  const segments = target.split(/::|\./).filter((segment) => segment !== "");
  const separator =
    path.includes("::") || prefix.includes("::") ? "::" : target.includes(".") ? "." : "::";
  const last = segments.pop() ?? "";
  const module = [prefix, segments.join(separator)].filter((part) => part !== "").join(separator);
  if (last === "self" && module !== "") return { module, name: "*", alias };
  return {
    module,
    name: last === "_" || last === "given" ? "*" : last,
    alias: alias === "_" ? null : alias,
  };
}

/** Every path of a tree with the module that it is taken from. */
export function expandUseTree(tree: string): Use[] {
  const uses: Use[] = [];
  // A stack of what is left, not recursion: the text decides how deep it goes.
  const left: { prefix: string; path: string }[] = [
    { prefix: "", path: tree.replace(/\s+/g, " ").replace(/^import /, "") },
  ];
  for (let next = left.pop(); next && uses.length < MAX_USES; next = left.pop()) {
    const { prefix, path } = next;
    const brace = path.indexOf("{");
    if (brace < 0) {
      uses.push(leaf(prefix, path));
      continue;
    }
    const head = path
      .slice(0, brace)
      .trim()
      .replace(/(::|\.)$/, "");
    const separator = path.includes("::") || prefix.includes("::") ? "::" : ".";
    const close = path.lastIndexOf("}");
    const inner = path.slice(brace + 1, close < 0 ? undefined : close);
    const base = [prefix, head].filter((part) => part !== "").join(separator);
    for (const part of parts(inner).reverse()) left.push({ prefix: base, path: part });
  }
  return uses;
}
