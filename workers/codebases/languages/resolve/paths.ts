/** The paths of a snapshot, arranged for looking modules up. */

/** Joins and normalizes; null when the path leaves the snapshot. */
export function joinPath(...parts: readonly string[]): string | null {
  const segments: string[] = [];
  for (const part of parts.join("/").split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") segments.push(part);
    else if (segments.pop() === undefined) return null;
  }
  return segments.join("/");
}

export const folderOf = (path: string): string => {
  const cut = path.lastIndexOf("/");
  return cut < 0 ? "" : path.slice(0, cut);
};

export const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The folders around a path, innermost first, the root last. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let folder = folderOf(path); ; folder = folderOf(folder)) {
    found.push(folder);
    if (folder === "") return found;
  }
}

/** How many leading folders two paths share. */
function closeness(a: string, b: string): number {
  const left = a.split("/");
  const right = b.split("/");
  let shared = 0;
  while (shared < left.length - 1 && left[shared] === right[shared]) shared += 1;
  return shared;
}

/** The one nearest to `from`; by name where several are as near. */
export function nearest(candidates: readonly string[], from: string): string | null {
  const [first] = [...candidates].sort(
    (a, b) =>
      closeness(b, from) - closeness(a, from) ||
      a.split("/").length - b.split("/").length ||
      (a < b ? -1 : 1),
  );
  return first ?? null;
}

export class PathIndex {
  readonly #files: ReadonlySet<string>;
  readonly #folders = new Map<string, string[]>();
  readonly #filesByName = new Map<string, string[]>();
  readonly #foldersByName = new Map<string, string[]>();

  constructor(paths: Iterable<string>) {
    this.#files = new Set(paths);
    for (const path of this.#files) {
      add(this.#filesByName, baseOf(path), path);
      const folder = folderOf(path);
      const known = this.#folders.get(folder);
      if (known !== undefined) known.push(path);
      else this.#folders.set(folder, [path]);
      for (let around = folder; around !== ""; around = folderOf(around)) {
        if (!this.#folders.has(around)) this.#folders.set(around, []);
      }
    }
    for (const folder of this.#folders.keys()) add(this.#foldersByName, baseOf(folder), folder);
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  hasFolder(path: string): boolean {
    return this.#folders.has(path);
  }

  /** The files right in a folder. */
  filesIn(folder: string): readonly string[] {
    return this.#folders.get(folder) ?? [];
  }

  /** The first candidate that is a file. */
  first(candidates: Iterable<string | null>): string | null {
    for (const path of candidates) if (path !== null && this.#files.has(path)) return path;
    return null;
  }

  /** Files whose path ends with these whole segments. */
  endingWith(suffix: string): readonly string[] {
    return ending(this.#filesByName, suffix);
  }

  foldersEndingWith(suffix: string): readonly string[] {
    return ending(this.#foldersByName, suffix);
  }
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

function ending(byName: ReadonlyMap<string, readonly string[]>, suffix: string): string[] {
  const named = byName.get(baseOf(suffix)) ?? [];
  return named.filter((path) => path === suffix || path.endsWith(`/${suffix}`));
}
