/** Modules of languages that name files: C, Ruby, Lua, Dart, Zig, Bash, CSS, HTML, Elixir. */
import { splitIdentifier } from "../words.ts";
import { type ConfigurationFile, readNamedFolders } from "./configuration.ts";
import { ancestors, folderOf, joinPath, type PathIndex } from "./paths.ts";
import { byEnding, exact, MISSING, OUTSIDE, type Resolution, type Resolver } from "./resolution.ts";

interface FileRules {
  /** Endings that the name may lack. */
  readonly endings: readonly string[];
  /** Folders of the project that are searched after the file's own. */
  readonly roots: readonly string[];
  /** What a name that is found nowhere is. */
  readonly otherwise: Resolution;
  /** True when the end of a path is enough to go by. */
  readonly byEnding: boolean;
}

function fileResolver(index: PathIndex, rules: FileRules): Resolver {
  return (from, { module }) => {
    const spelled = rules.endings.map((ending) => `${module}${ending}`);
    const relative = spelled.map((name) => joinPath(folderOf(from), name));
    const beside = module.startsWith("/") ? null : index.first(relative);
    if (beside !== null) return exact(beside);
    const roots = [...rules.roots, ...ancestors(from).slice(1)];
    const rooted = index.first(
      roots.flatMap((root) => spelled.map((name) => joinPath(root, name))),
    );
    if (rooted !== null) return exact(rooted);
    const names = spelled.map((name) => name.replace(/^(\.{0,2}\/)+/, ""));
    return (rules.byEnding ? byEnding(index, names, from) : null) ?? rules.otherwise;
  };
}

export const includeResolver = (index: PathIndex): Resolver =>
  fileResolver(index, {
    endings: [""],
    roots: ["include", "src", "inc", ""],
    otherwise: OUTSIDE,
    byEnding: true,
  });

export const rubyResolver = (index: PathIndex): Resolver =>
  fileResolver(index, {
    endings: [".rb", ""],
    roots: ["lib", "app/models", "app", ""],
    otherwise: OUTSIDE,
    byEnding: true,
  });

export const zigResolver = (index: PathIndex): Resolver => {
  const files = fileResolver(index, {
    endings: [""],
    roots: [],
    otherwise: MISSING,
    byEnding: false,
  });
  return (from, imported) => (imported.module.endsWith(".zig") ? files(from, imported) : OUTSIDE);
};

export function luaResolver(index: PathIndex): Resolver {
  const files = fileResolver(index, {
    endings: [".lua", "/init.lua"],
    roots: ["lua", "src", "lib", ""],
    otherwise: OUTSIDE,
    byEnding: true,
  });
  return (from, { module, names }) => files(from, { module: module.replaceAll(".", "/"), names });
}

/** Style sheets, pages and what they load. */
export function webResolver(index: PathIndex): Resolver {
  const files = fileResolver(index, {
    endings: ["", ".css", ".scss"],
    roots: ["public", "static", ""],
    otherwise: MISSING,
    byEnding: false,
  });
  return (from, { module, names }) => {
    if (/^([a-z][\w+.-]*:|\/\/)/i.test(module)) return OUTSIDE;
    return files(from, { module: module.replace(/[?#].*$/, ""), names });
  };
}

/** What a script sources: variables in the path are not known, what follows them often is. */
export function bashResolver(index: PathIndex): Resolver {
  const files = fileResolver(index, {
    endings: ["", ".sh"],
    roots: ["scripts", "bin", ""],
    otherwise: MISSING,
    byEnding: true,
  });
  return (from, { module, names }) => {
    if (/^(~|\$\{?HOME\b|\/(etc|usr|opt|var)\/)/.test(module)) return OUTSIDE;
    const known = module.replace(/^.*[$)}][\w"}]*\//, "");
    return known.includes("$") ? OUTSIDE : files(from, { module: known, names });
  };
}

export function dartResolver(
  index: PathIndex,
  configurations: readonly ConfigurationFile[],
): Resolver {
  const packages = readNamedFolders(configurations, "pubspec.yaml", /^name:\s*["']?([\w-]+)/m);
  return (from, { module }) => {
    const [, name = "", path = ""] = /^package:([^/]+)\/(.+)$/.exec(module) ?? [];
    if (name === "") {
      if (/^[a-z]+:/.test(module)) return OUTSIDE;
      const file = index.first([joinPath(folderOf(from), module)]);
      return file === null ? MISSING : exact(file);
    }
    const root = packages.get(name);
    if (root === undefined) return OUTSIDE;
    const file = index.first([joinPath(root, "lib", path)]);
    return file === null ? MISSING : exact(file);
  };
}

/** Elixir's files are named after their modules: `Bank.TaxRate` is `bank/tax_rate.ex`. */
export function elixirResolver(index: PathIndex): Resolver {
  return (from, { module, names }) => {
    const [first] = names;
    const whole = first === undefined || first.name === "*" ? module : `${module}.${first.name}`;
    const path = whole
      .split(".")
      .map((part) => splitIdentifier(part).join("_"))
      .join("/");
    return byEnding(index, [`${path}.ex`, `${path}.exs`], from) ?? OUTSIDE;
  };
}
