/** Reads what projects write down about where their modules are. */
import { z } from "zod";
import { folderOf, joinPath } from "./paths.ts";

/** A configuration file of the snapshot: tsconfig.json, package.json, go.mod, composer.json, … */
export interface ConfigurationFile {
  readonly path: string;
  readonly text: string;
}

/** JSON without its comments and trailing commas, as tsconfig.json may have them. */
function plainJson(text: string): string {
  let plain = "";
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? "";
    const pair = text.slice(at, at + 2);
    if (char === '"') {
      const from = at;
      for (at += 1; at < text.length && text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
      plain += text.slice(from, at + 1);
    } else if (pair === "//") {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end - 1;
    } else if (pair === "/*") {
      const end = text.indexOf("*/", at + 2);
      at = end < 0 ? text.length : end + 1;
    } else plain += char;
  }
  return plain.replace(/,(?=\s*[\]}])/g, "");
}

/** Parses a configuration; null when it is not one, since a snapshot may hold anything. */
export function parseJson<T>(schema: z.ZodType<T>, text: string): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(plainJson(text)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

const strings = z.union([z.string().transform((one) => [one]), z.array(z.string())]);

const tsconfigSchema = z.looseObject({
  extends: strings.optional(),
  compilerOptions: z
    .looseObject({
      baseUrl: z.string().optional(),
      paths: z.record(z.string(), z.array(z.string())).optional(),
    })
    .optional(),
});

export interface PathMapping {
  /** The folder that bare names are looked up in; null without baseUrl. */
  readonly baseUrl: string | null;
  /** Patterns with at most one `*`, the longest prefix first; targets from the snapshot's root. */
  readonly paths: readonly { readonly pattern: string; readonly targets: readonly string[] }[];
}

const MAX_EXTENDS = 8;

/** The mapping of each folder that has a tsconfig.json or jsconfig.json of its own. */
export function readPathMappings(files: readonly ConfigurationFile[]): Map<string, PathMapping> {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const read = (path: string, depth: number): PathMapping | null => {
    const text = texts.get(path);
    const config = text === undefined ? null : parseJson(tsconfigSchema, text);
    if (config === null) return null;
    const folder = folderOf(path);
    const base = (config.extends ?? [])
      .filter((target) => target.startsWith(".") && depth < MAX_EXTENDS)
      .map((target) => joinPath(folder, target.endsWith(".json") ? target : `${target}.json`))
      .map((target) => (target === null ? null : read(target, depth + 1)))
      .findLast((mapping) => mapping !== null);
    const { baseUrl, paths } = config.compilerOptions ?? {};
    const own = baseUrl === undefined ? null : joinPath(folder, baseUrl);
    const root = own ?? folder;
    const mapped = Object.entries(paths ?? {}).map(([pattern, targets]) => ({
      pattern,
      targets: targets.flatMap((target) => joinPath(root, target) ?? []),
    }));
    mapped.sort((a, b) => b.pattern.indexOf("*") - a.pattern.indexOf("*"));
    return {
      baseUrl: own ?? base?.baseUrl ?? null,
      paths: paths === undefined ? (base?.paths ?? []) : mapped,
    };
  };
  const mappings = new Map<string, PathMapping>();
  for (const { path } of files) {
    if (!/(^|\/)[jt]sconfig\.json$/.test(path)) continue;
    const mapping = read(path, 0);
    if (mapping !== null) mappings.set(folderOf(path), mapping);
  }
  return mappings;
}

const packageSchema = z.looseObject({
  name: z.string().optional(),
  main: z.string().optional(),
  module: z.string().optional(),
  types: z.string().optional(),
  exports: z.unknown().optional(),
  imports: z.unknown().optional(),
});

export interface WorkspacePackage extends z.output<typeof packageSchema> {
  readonly folder: string;
}

/** The packages that the snapshot itself holds. */
export function readPackages(files: readonly ConfigurationFile[]): WorkspacePackage[] {
  return files.flatMap(({ path, text }) => {
    if (!/(^|\/)package\.json$/.test(path)) return [];
    const parsed = parseJson(packageSchema, text);
    return parsed === null ? [] : [{ ...parsed, folder: folderOf(path) }];
  });
}

/** Folders by the name of the module, crate or package that a line of their file gives them. */
export function readNamedFolders(
  files: readonly ConfigurationFile[],
  fileName: string,
  line: RegExp,
): Map<string, string> {
  const folders = new Map<string, string>();
  for (const { path, text } of files) {
    if (path !== fileName && !path.endsWith(`/${fileName}`)) continue;
    const name = line.exec(text)?.[1];
    if (name !== undefined && !folders.has(name)) folders.set(name, folderOf(path));
  }
  return folders;
}

const autoload = z.looseObject({ "psr-4": z.record(z.string(), strings).optional() }).optional();
const composerSchema = z.looseObject({ autoload, "autoload-dev": autoload });

/** Folders by PSR-4 prefix, the longest prefix first. */
export function readPsr4(files: readonly ConfigurationFile[]): [string, readonly string[]][] {
  const prefixes = files.flatMap(({ path, text }): [string, string[]][] => {
    if (!/(^|\/)composer\.json$/.test(path)) return [];
    const parsed = parseJson(composerSchema, text);
    return [parsed?.autoload, parsed?.["autoload-dev"]].flatMap((section) =>
      Object.entries(section?.["psr-4"] ?? {}).map(([prefix, folders]): [string, string[]] => [
        prefix,
        folders.flatMap((folder) => joinPath(folderOf(path), folder) ?? []),
      ]),
    );
  });
  return prefixes.sort(([a], [b]) => b.length - a.length);
}
