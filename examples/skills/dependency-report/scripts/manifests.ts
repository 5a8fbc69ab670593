/** Which files are manifests, and what each says. */
import type { Dependency } from "./dependency.ts";
import { readComposerJson, readPackageJson } from "./read-json.ts";
import { readCargo, readGoMod, readPom } from "./read-others.ts";
import { readPyproject, readRequirements } from "./read-python.ts";

export interface Reader {
  readonly ecosystem: string;
  read(path: string, text: string): Dependency[];
}

const READERS: readonly (readonly [RegExp, Reader])[] = [
  [/^package\.json$/, { ecosystem: "npm", read: (_, text) => readPackageJson(text) }],
  [/^composer\.json$/, { ecosystem: "composer", read: (_, text) => readComposerJson(text) }],
  [/^requirements.*\.txt$/, { ecosystem: "python", read: readRequirements }],
  [/^pyproject\.toml$/, { ecosystem: "python", read: (_, text) => readPyproject(text) }],
  [/^go\.mod$/, { ecosystem: "go", read: (_, text) => readGoMod(text) }],
  [/^Cargo\.toml$/, { ecosystem: "cargo", read: (_, text) => readCargo(text) }],
  [/^pom\.xml$/, { ecosystem: "maven", read: (_, text) => readPom(text) }],
];
/** Where the code of others is kept, whose manifests are not the codebase's. */
const OTHERS = /(?:^|\/)(?:node_modules|vendor|third_party|site-packages|\.venv|target|dist)\//;

/** Null for what is no manifest. */
export function readerOf(path: string): Reader | null {
  if (OTHERS.test(path)) return null;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return READERS.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}
