/** Finds the files of a snapshot that an import means. */
import type { ConfigurationFile } from "./resolve/configuration.ts";
import {
  bashResolver,
  dartResolver,
  elixirResolver,
  includeResolver,
  luaResolver,
  rubyResolver,
  webResolver,
  zigResolver,
} from "./resolve/files.ts";
import { javascriptResolver } from "./resolve/javascript.ts";
import { goResolver, jvmResolver, namespaceResolver, phpResolver } from "./resolve/packages.ts";
import { PathIndex } from "./resolve/paths.ts";
import { pythonResolver } from "./resolve/python.ts";
import {
  type ImportedModule,
  OUTSIDE,
  type Resolution,
  type Resolver,
} from "./resolve/resolution.ts";
import { rustResolver } from "./resolve/rust.ts";

export type { ConfigurationFile } from "./resolve/configuration.ts";
export type { Confidence, ImportedModule, Resolution } from "./resolve/resolution.ts";

type Family = (index: PathIndex, configurations: readonly ConfigurationFile[]) => Resolver;

const FAMILIES: readonly (readonly [family: Family, languages: readonly string[]])[] = [
  [javascriptResolver, ["typescript", "tsx", "javascript", "vue"]],
  [pythonResolver, ["python"]],
  [goResolver, ["go"]],
  [rustResolver, ["rust"]],
  [jvmResolver, ["java", "kotlin", "scala"]],
  [includeResolver, ["c", "cpp"]],
  [namespaceResolver, ["csharp"]],
  [rubyResolver, ["ruby"]],
  [phpResolver, ["php"]],
  [bashResolver, ["bash"]],
  [luaResolver, ["lua"]],
  [dartResolver, ["dart"]],
  [elixirResolver, ["elixir"]],
  [zigResolver, ["zig"]],
  [webResolver, ["css", "html"]],
];

/** Names of files that say where modules are; a caller passes their texts along. */
export const CONFIGURATION_FILES: ReadonlySet<string> = new Set([
  "tsconfig.json",
  "jsconfig.json",
  "tsconfig.base.json",
  "package.json",
  "go.mod",
  "Cargo.toml",
  "composer.json",
  "pubspec.yaml",
]);

export interface ImportResolver {
  /**
   * Finds what an import of a file in `language` means. Where an import takes several names that can
   * be modules themselves, ask for each by itself.
   */
  resolve(language: string, from: string, imported: ImportedModule): Resolution;
}

/** Makes the resolver of a snapshot: all its paths, and the texts of its configuration files. */
export function importResolver(
  paths: Iterable<string>,
  configurations: readonly ConfigurationFile[] = [],
): ImportResolver {
  const index = new PathIndex(paths);
  const resolvers = new Map<string, Resolver>();
  const resolverOf = (language: string): Resolver | undefined => {
    const known = resolvers.get(language);
    if (known !== undefined) return known;
    const family = FAMILIES.find(([, languages]) => languages.includes(language));
    if (family === undefined) return undefined;
    const [make, languages] = family;
    const resolver = make(index, configurations);
    for (const id of languages) resolvers.set(id, resolver);
    return resolver;
  };
  return {
    resolve: (language, from, imported) => resolverOf(language)?.(from, imported) ?? OUTSIDE,
  };
}
