/** Takes the top folders off the paths of an archive. */
import { IntakeError } from "./errors.ts";

/**
 * How many top folders to take off. `auto` takes off the one that GitHub, GitLab and others put around
 * a commit: it applies to archives that name their commit, which is what git writes into those it
 * makes.
 */
export type Strip = "auto" | number;

export interface NamedEntry {
  readonly path: string;
  readonly isFolder: boolean;
}

/** Whether all paths lie in one folder, which is then the one that was put around them. */
export function shareTopFolder(paths: Iterable<string>): boolean {
  let top: string | null = null;
  for (const path of paths) {
    const slash = path.indexOf("/");
    if (slash < 1) return false;
    top ??= path.slice(0, slash);
    if (path.slice(0, slash) !== top) return false;
  }
  return top !== null;
}

export class TopFolder {
  #levels: number | null;
  #name: string | null = null;

  constructor(strip: Strip) {
    this.#levels = strip === "auto" ? null : strip;
  }

  /** The folders taken off, as far as any were. */
  get name(): string | null {
    return this.#name;
  }

  /**
   * Settles `auto` for a stream: the first entry is the folder around the others when git made the
   * archive. Nothing more can be known without reading to the end.
   */
  decide(first: NamedEntry, commit: string | null): void {
    const isAround =
      commit !== null && first.isFolder && first.path !== "" && !first.path.includes("/");
    this.#levels ??= isAround ? 1 : 0;
  }

  /** The path below the top folder; null for the top folder itself. Throws for what lies beside it. */
  strip({ path, isFolder }: NamedEntry): string | null {
    let end = -1;
    for (let level = 0; level < (this.#levels ?? 0); level += 1) {
      end = path.indexOf("/", end + 1);
      if (end >= 0) continue;
      if (!isFolder) throw this.#beside(path);
      this.#enter(path, path);
      return null;
    }
    if (end < 0) return path;
    this.#enter(path.slice(0, end), path);
    return path.slice(end + 1);
  }

  /** Remembers the folder that is taken off, which has to be one and the same for all entries. */
  #enter(folder: string, path: string): void {
    const known = this.#name;
    if (known === null || folder.startsWith(`${known}/`)) this.#name = folder;
    else if (folder !== known && !known.startsWith(`${folder}/`)) throw this.#beside(path);
  }

  #beside(path: string): IntakeError {
    const count = this.#levels ?? 0;
    return new IntakeError(
      "top_folder_ambiguous",
      `An entry does not lie in the ${count === 1 ? "top folder" : `${count} top folders`} that the first one is in. Send the archive again with strip 0, which keeps all paths as they are.`,
      { path },
    );
  }
}
