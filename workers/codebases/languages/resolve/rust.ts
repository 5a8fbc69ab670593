/** Modules of Rust: paths from the crate, from here or from above, and `mod` of a file. */
import { type ConfigurationFile, readNamedFolders } from "./configuration.ts";
import { ancestors, baseOf, folderOf, joinPath, type PathIndex } from "./paths.ts";
import { exact, MISSING, OUTSIDE, type Resolution, type Resolver } from "./resolution.ts";

const ROOTS = ["lib.rs", "main.rs"];

/** The folder that a file's own submodules are in. */
function submodulesOf(path: string): string {
  const base = baseOf(path);
  return base === "mod.rs" || ROOTS.includes(base) ? folderOf(path) : path.replace(/\.rs$/, "");
}

/** The file of the longest path that is a module; what follows is an item of it. */
function moduleAt(index: PathIndex, folder: string, segments: readonly string[]): string | null {
  for (let length = segments.length; length > 0; length -= 1) {
    const base = joinPath(folder, segments.slice(0, length).join("/"));
    if (base === null) return null;
    const file = index.first([`${base}.rs`, `${base}/mod.rs`]);
    if (file !== null) return file;
  }
  return null;
}

/** The file whose submodules are in a folder. */
const ownerOf = (index: PathIndex, folder: string): string | null =>
  index.first([...[...ROOTS, "mod.rs"].map((name) => joinPath(folder, name)), `${folder}.rs`]);

export function rustResolver(
  index: PathIndex,
  configurations: readonly ConfigurationFile[],
): Resolver {
  const crates = readNamedFolders(
    configurations,
    "Cargo.toml",
    /^\[package\][^[]*?\n[ \t]*name[ \t]*=[ \t]*"([^"]+)"/m,
  );
  const roots = new Map([...crates].map(([name, folder]) => [name.replaceAll("-", "_"), folder]));
  const found = (file: string | null): Resolution => (file === null ? MISSING : exact(file));

  return (from, { module, names }) => {
    const name = names[0]?.name;
    const path = module.split("::").filter((segment) => segment !== "");
    const isMod = names.length === 0 && path.length === 1;
    if (isMod) return found(moduleAt(index, submodulesOf(from), path));
    const segments = name === undefined || name === "*" ? path : [...path, name];
    const [head = "", ...rest] = segments;
    if (head === "crate") {
      const root = ancestors(from).find((folder) =>
        ROOTS.some((file) => index.has(joinPath(folder, file) ?? "")),
      );
      if (root === undefined) return MISSING;
      return found(moduleAt(index, root, rest) ?? ownerOf(index, root));
    }
    if (head === "self" || head === "super") {
      let folder = submodulesOf(from);
      let items = segments;
      for (; items[0] === "self" || items[0] === "super"; items = items.slice(1)) {
        if (items[0] === "super") folder = folderOf(folder);
      }
      return found(moduleAt(index, folder, items) ?? ownerOf(index, folder));
    }
    const crate = roots.get(head);
    if (crate !== undefined) {
      const source = joinPath(crate, "src") ?? "src";
      return found(moduleAt(index, source, rest) ?? ownerOf(index, source));
    }
    const local = moduleAt(index, submodulesOf(from), segments);
    return local === null ? OUTSIDE : exact(local);
  };
}
