/** Modules of languages whose packages are folders: Go, Java, Kotlin, Scala, C#, PHP. */
import { type ConfigurationFile, readNamedFolders, readPsr4 } from "./configuration.ts";
import { folderOf, joinPath, type PathIndex } from "./paths.ts";
import {
  byEnding,
  choose,
  exact,
  MISSING,
  OUTSIDE,
  type Resolution,
  type Resolver,
} from "./resolution.ts";

const folder = (path: string): Resolution => ({ path, isFolder: true, confidence: "exact" });

/** A package of the module that go.mod names, or of one that stands beside it. */
export function goResolver(
  index: PathIndex,
  configurations: readonly ConfigurationFile[],
): Resolver {
  const modules = [
    ...readNamedFolders(configurations, "go.mod", /^[ \t]*module[ \t]+"?([^\s"]+)/m),
  ];
  modules.sort(([a], [b]) => b.length - a.length);
  return (from, { module }) => {
    for (const [name, root] of modules) {
      if (module !== name && !module.startsWith(`${name}/`)) continue;
      const path = joinPath(root, module.slice(name.length));
      return path !== null && index.hasFolder(path) ? folder(path) : MISSING;
    }
    // Names of the standard library have no dot in their first part.
    if (modules.length > 0 || !/^[^/]*\./.test(module)) return OUTSIDE;
    const inside = module.split("/").slice(3).join("/");
    return (inside === "" ? null : choose(index.foldersEndingWith(inside), from, true)) ?? OUTSIDE;
  };
}

/** A class by its package's folders; an imported member belongs to the class around it. */
export function jvmResolver(index: PathIndex): Resolver {
  const endings = [".java", ".kt", ".scala", ".kts", ".groovy"];
  const classAt = (path: string, from: string) =>
    byEnding(
      index,
      endings.map((ending) => `${path}${ending}`),
      from,
    );
  return (from, { module, names }) => {
    const path = module.replaceAll(".", "/");
    const [first] = names;
    const isAll = first === undefined || first.name === "*";
    const found =
      (isAll ? null : classAt(`${path}/${first.name}`, from)) ??
      classAt(path, from) ??
      (path.includes("/") ? choose(index.foldersEndingWith(path), from, true) : null);
    if (found === null) return OUTSIDE;
    // A whole package path in front of a class leaves no doubt, unless two sources have it.
    return found.confidence === "likely" && path.includes("/")
      ? { ...found, confidence: "exact" }
      : found;
  };
}

/** A namespace by the folder of its name, which projects follow by convention. */
export function namespaceResolver(index: PathIndex): Resolver {
  return (from, { module }) => {
    const parts = module.split(".");
    for (let skipped = 0; skipped < parts.length; skipped += 1) {
      const path = parts.slice(skipped).join("/");
      const found = choose(index.foldersEndingWith(path), from, true);
      if (found !== null && (skipped === 0 || parts.length - skipped > 1)) return found;
    }
    return OUTSIDE;
  };
}

/** A class by PSR-4, or a file that is included. */
export function phpResolver(
  index: PathIndex,
  configurations: readonly ConfigurationFile[],
): Resolver {
  const prefixes = readPsr4(configurations);
  return (from, { module, names }) => {
    if (/\.\w+$/.test(module) && names.length === 0) {
      const file = index.first([joinPath(folderOf(from), module), joinPath(module)]);
      return file === null ? MISSING : exact(file);
    }
    const name = names[0]?.name;
    const qualified = (name === undefined ? module : `${module}\\${name}`).replace(/^\\/, "");
    for (const [prefix, folders] of prefixes) {
      if (!qualified.startsWith(prefix)) continue;
      const rest = `${qualified.slice(prefix.length).replaceAll("\\", "/")}.php`;
      const file = index.first(folders.map((root) => joinPath(root, rest)));
      if (file !== null) return exact(file);
    }
    const segments = qualified.split("\\");
    const endings = [segments, segments.slice(1), segments.slice(-2)]
      .filter((part) => part.length > 1)
      .map((part) => `${part.join("/")}.php`);
    return byEnding(index, endings, from) ?? OUTSIDE;
  };
}
