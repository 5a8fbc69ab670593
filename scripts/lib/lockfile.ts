/**
 * Keeps package-lock.json installable everywhere. npm leaves out an optional platform package that
 * the registry in use does not carry at that moment, and `npm ci` then refuses the lockfile on every
 * machine. The entries it leaves out are derivable: the version is pinned by the package that wants
 * it and the platform is in the name.
 */
import { z } from "zod";

const lockedPackage = z.looseObject({
  version: z.string().optional(),
  dev: z.boolean().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
export const lockfileSchema = z.looseObject({ packages: z.record(z.string(), lockedPackage) });
export type Lockfile = z.output<typeof lockfileSchema>;

/** An optional dependency that has no entry: `parent` is the path of the package that wants it. */
export interface MissingEntry {
  readonly parent: string;
  readonly name: string;
  readonly version: string;
}

const EXACT_VERSION = /^\d+\.\d+\.\d+[^\s<>=^~|*]*$/;

/** The folders in which Node looks for a package required from `path`, nearest first. */
function lookupPaths(path: string, name: string): string[] {
  const paths = [];
  for (let base = path; base !== ""; ) {
    paths.push(`${base}/node_modules/${name}`);
    const cut = base.lastIndexOf("node_modules/");
    base = cut <= 0 ? "" : base.slice(0, cut - 1);
  }
  return [...paths, `node_modules/${name}`];
}

export function missingOptionalPackages(lock: Lockfile): MissingEntry[] {
  const missing: MissingEntry[] = [];
  for (const [parent, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!EXACT_VERSION.test(version)) continue;
      const found = lookupPaths(parent, name).find((path) => path in lock.packages);
      if (found === undefined || lock.packages[found]?.version !== version) {
        missing.push({ parent, name, version });
      }
    }
  }
  return missing;
}

const SYSTEMS = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
];
const PROCESSORS: ReadonlyMap<string, string> = new Map([
  ...["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "wasm32", "x64"].map(
    (name): [string, string] => [name, name],
  ),
  ["64", "x64"],
  ["x86", "ia32"],
]);

/** Reads os, cpu and libc from a platform package's name, such as `@scope/cli-linux-x64-musl`. */
export function platformOf(name: string): { os?: string[]; cpu?: string[]; libc?: string[] } {
  const words = name.split(/[-/]/);
  const os = words.some((word) => word === "win32" || word === "windows")
    ? "win32"
    : SYSTEMS.find((system) => words.includes(system));
  const cpu = words.map((word) => PROCESSORS.get(word)).findLast((word) => word !== undefined);
  const libc = words.includes("musl") ? "musl" : words.includes("gnu") ? "glibc" : undefined;
  return {
    ...(os && { os: [os] }),
    ...(cpu && { cpu: [cpu] }),
    ...(libc && os === "linux" && { libc: [libc] }),
  };
}

/** Returns the text of a lockfile with every missing optional platform package added. */
export function completeLockfile(text: string): string {
  // Records keep the order of keys, so that the result differs by the additions alone.
  const raw = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  const packages = z.record(z.string(), z.unknown()).parse(raw.packages);
  const lock = lockfileSchema.parse(raw);
  for (const { parent, name, version } of missingOptionalPackages(lock)) {
    const hoisted = `node_modules/${name}`;
    const path = hoisted in packages ? `${parent}/node_modules/${name}` : hoisted;
    packages[path] = {
      version,
      ...platformOf(name),
      ...(lock.packages[parent]?.dev && { dev: true }),
      optional: true,
    };
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  return `${JSON.stringify({ ...raw, packages: Object.fromEntries(sorted) }, null, 2)}\n`;
}
