/** Modules of Python: relative to a package, or from one of the roots that projects use. */
import { ancestors, folderOf, joinPath, type PathIndex } from "./paths.ts";
import { byEnding, exact, MISSING, OUTSIDE, type Resolution, type Resolver } from "./resolution.ts";

const filesOf = (base: string): string[] =>
  base === ""
    ? ["__init__.py"]
    : [`${base}.py`, `${base}/__init__.py`, `${base}.pyi`, `${base}/__init__.pyi`];

/** A name that is taken from a package can be a module of it. */
function inPackage(index: PathIndex, base: string, name: string | undefined): string | null {
  const submodule = name === undefined || name === "*" ? null : joinPath(base, name);
  return (
    (submodule === null ? null : index.first(filesOf(submodule))) ?? index.first(filesOf(base))
  );
}

function absolute(
  index: PathIndex,
  from: string,
  path: string,
  name: string | undefined,
): Resolution | null {
  // A script sees its own folder; a package is seen from the folder around its outermost one.
  const roots = ["", "src", "lib", ...ancestors(from).filter((folder) => folder !== "")];
  for (const root of roots) {
    const base = joinPath(root, path);
    const file = base === null ? null : inPackage(index, base, name);
    if (file !== null && file !== from) return exact(file);
  }
  // One short word ends many paths, most of them of something else.
  const endings = path.includes("/") ? filesOf(path) : [`${path}/__init__.py`];
  return byEnding(index, endings, from);
}

export function pythonResolver(index: PathIndex): Resolver {
  return (from, { module, names }) => {
    const [, dots = "", rest = ""] = /^(\.*)(.*)$/.exec(module) ?? [];
    const path = rest.replaceAll(".", "/");
    const name = names.length === 1 ? names[0]?.name : undefined;
    if (dots !== "") {
      const base = joinPath(folderOf(from), "../".repeat(dots.length - 1), path);
      const file = base === null ? null : inPackage(index, base, name);
      return file === null ? MISSING : exact(file);
    }
    if (path === "") return OUTSIDE;
    return absolute(index, from, path, name) ?? OUTSIDE;
  };
}
