/** Modules of TypeScript and JavaScript: relative, mapped, and of packages in the same snapshot. */
import { z } from "zod";
import {
  type ConfigurationFile,
  type PathMapping,
  readPackages,
  readPathMappings,
  type WorkspacePackage,
} from "./configuration.ts";
import { ancestors, joinPath, type PathIndex } from "./paths.ts";
import { exact, likely, MISSING, OUTSIDE, type Resolution, type Resolver } from "./resolution.ts";

const ENDINGS = [
  ".ts",
  ".tsx",
  ".mts",
  ".cts",
  ".d.ts",
  ".js",
  ".jsx",
  ".mjs",
  ".cjs",
  ".vue",
  ".json",
];
/** An import names what the compiler will write; the snapshot holds what it reads. */
const SOURCES: readonly (readonly [written: RegExp, read: readonly string[]])[] = [
  [/\.js$/, [".ts", ".tsx", ".d.ts", ".jsx"]],
  [/\.jsx$/, [".tsx"]],
  [/\.mjs$/, [".mts", ".d.mts"]],
  [/\.cjs$/, [".cts", ".d.cts"]],
];
/** Folders of what a build writes; what it reads is usually in `src`. */
const BUILT = /^(dist|build|lib|out)\/(?:(?:esm|cjs|src|types)\/)?/;

const isRelative = (module: string) => /^\.{0,2}\//.test(module) || /^\.{1,2}$/.test(module);

function fileAt(index: PathIndex, base: string | null): string | null {
  if (base === null) return null;
  if (base !== "" && index.has(base)) return base;
  const rewritten = SOURCES.flatMap(([written, read]) =>
    written.test(base) ? read.map((ending) => base.replace(written, ending)) : [],
  );
  const inside = base === "" ? "index" : `${base}/index`;
  return index.first([
    ...rewritten,
    ...ENDINGS.map((ending) => `${base}${ending}`),
    ...ENDINGS.map((ending) => `${inside}${ending}`),
  ]);
}

/** What `*` stands for in a pattern; null when the name does not fit. */
function starOf(pattern: string, name: string): string | null {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern === name ? "" : null;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  const fits =
    name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail);
  return fits ? name.slice(head.length, name.length - tail.length) : null;
}

function mapped(index: PathIndex, mapping: PathMapping, module: string): string | null {
  for (const { pattern, targets } of mapping.paths) {
    const star = starOf(pattern, module);
    if (star === null) continue;
    for (const target of targets) {
      const file = fileAt(index, joinPath(target.replace("*", star)));
      if (file !== null) return file;
    }
  }
  return mapping.baseUrl === null ? null : fileAt(index, joinPath(mapping.baseUrl, module));
}

const MAX_CONDITIONS = 100;
const record = z.record(z.string(), z.unknown());

/** Every file that an entry of `exports` names, sources before what is built from them. */
function targetsOf(entry: unknown): string[] {
  const targets: string[] = [];
  const left: unknown[] = [entry];
  for (let count = 0; left.length > 0 && count < MAX_CONDITIONS; count += 1) {
    const next = left.shift();
    if (typeof next === "string") targets.push(next);
    else if (Array.isArray(next)) left.push(...next);
    else left.push(...Object.values(record.safeParse(next).data ?? {}));
  }
  return targets;
}

function exported(entries: unknown, subpath: string): string[] {
  const map = record.safeParse(entries);
  const isMap = map.success && Object.keys(map.data).some((key) => /^[.#]/.test(key));
  if (!isMap) return subpath === "." ? targetsOf(entries) : [];
  const keys = Object.keys(map.data).sort((a, b) => b.indexOf("*") - a.indexOf("*"));
  const direct = keys.find((key) => key === subpath);
  for (const key of direct === undefined ? keys : [direct]) {
    const star = starOf(key, subpath);
    if (star !== null) return targetsOf(map.data[key]).map((target) => target.replace("*", star));
  }
  return [];
}

/** A target as it is, or the source that it is likely built from. */
function targetFile(index: PathIndex, folder: string, target: string): Resolution | null {
  const relative = target.replace(/^\.\//, "");
  const file = fileAt(index, joinPath(folder, relative));
  if (file !== null) return exact(file);
  const source = relative.replace(/(\.d)?\.[cm]?[jt]sx?$/, "");
  for (const place of [source.replace(BUILT, "src/"), source.replace(BUILT, "")]) {
    const found = fileAt(index, joinPath(folder, place));
    if (found !== null) return likely(found);
  }
  return null;
}

function inPackage(index: PathIndex, pack: WorkspacePackage, subpath: string): Resolution {
  const { folder, exports, main, module, types } = pack;
  const entries = [module, types, main].flatMap((entry) => entry ?? []);
  const targets =
    exports !== undefined ? exported(exports, subpath) : subpath === "." ? entries : [subpath];
  for (const target of targets) {
    const found = targetFile(index, folder, target);
    if (found !== null) return found;
  }
  const usual = subpath === "." ? ["src/index", "index", "lib/index"] : [subpath, `src/${subpath}`];
  for (const place of usual) {
    const file = fileAt(index, joinPath(folder, place));
    if (file !== null) return likely(file);
  }
  return MISSING;
}

export function javascriptResolver(
  index: PathIndex,
  configurations: readonly ConfigurationFile[],
): Resolver {
  const mappings = readPathMappings(configurations);
  const packages = readPackages(configurations);
  const byFolder = new Map(packages.map((pack) => [pack.folder, pack]));
  const byName = new Map(packages.map((pack) => [pack.name ?? "", pack]));

  const around = <T>(from: string, known: ReadonlyMap<string, T>): T | undefined =>
    ancestors(from)
      .map((folder) => known.get(folder))
      .find((found) => found !== undefined);

  return (from, imported) => {
    // A bundler's query says how to load a file, not which.
    const module = imported.module.replace(/\?.*$/, "");
    if (isRelative(module)) {
      const folder = module.startsWith("/") ? "" : (ancestors(from)[0] ?? "");
      const file = fileAt(index, joinPath(folder, module));
      return file === null ? MISSING : exact(file);
    }
    const own = around(from, byFolder);
    if (module.startsWith("#") && own !== undefined) {
      for (const target of exported(own.imports, module)) {
        const found = targetFile(index, own.folder, target);
        if (found !== null) return found;
      }
    }
    const mapping = around(from, mappings);
    const file = mapping === undefined ? null : mapped(index, mapping, module);
    if (file !== null) return exact(file);
    const [, name = "", rest = ""] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(module) ?? [];
    const pack = byName.get(name);
    if (pack !== undefined) return inPackage(index, pack, rest === "" ? "." : `.${rest}`);
    const alias = /^[@~]\/(.+)$/.exec(module)?.[1];
    if (alias === undefined) return OUTSIDE;
    const roots = own === undefined ? ["src", ""] : [`${own.folder}/src`, own.folder];
    const usual = roots
      .map((root) => fileAt(index, joinPath(root, alias)))
      .find((at) => at !== null);
    return usual === undefined || usual === null ? MISSING : likely(usual);
  };
}
