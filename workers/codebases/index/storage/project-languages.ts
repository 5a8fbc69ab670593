/** The languages that a codebase's project brings grammars for, as its index knows them. */
import { z } from "zod";

/** What an index must know of a user's grammar; its bytes are the parsers' alone. */
export const projectLanguageSchema = z.object({
  name: z.string(),
  /** SHA-256 of all that parsing and recognizing depend on. */
  version: z.string(),
  /** Lower case, without the first dot. */
  extensions: z.array(z.string()),
  filenames: z.array(z.string()),
  aliases: z.array(z.string()),
});
export type ProjectLanguage = z.output<typeof projectLanguageSchema>;

/** Names a version of a user's grammar where grammars of the service stand by their language. */
export function grammarKey({ name, version }: Pick<ProjectLanguage, "name" | "version">): string {
  return `${name}@${version}`;
}

/** Null for the grammars of the service. */
export function readGrammarKey(key: string): { name: string; version: string } | null {
  const [name, version] = key.split("@");
  return name === undefined || version === undefined ? null : { name, version };
}

const LANGUAGES = "project_languages";
/** Snapshots below this number are still listed as before the last change. */
const RELIST = "relist_below";

const valueRow = z.object({ value: z.string() });

export class ProjectLanguages {
  readonly #sql: SqlStorage;
  #all: readonly ProjectLanguage[];
  #byExtension: ReadonlyMap<string, ProjectLanguage> = new Map();
  #byFilename: ReadonlyMap<string, ProjectLanguage> = new Map();
  #byName: ReadonlyMap<string, ProjectLanguage> = new Map();
  #keys: ReadonlySet<string> = new Set();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const stored = this.#read(LANGUAGES);
    this.#all = stored === null ? [] : z.array(projectLanguageSchema).parse(JSON.parse(stored));
    this.#index();
  }

  /** Takes the languages of the project; false when it has them already. */
  set(languages: readonly ProjectLanguage[]): boolean {
    const sorted = languages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const text = JSON.stringify(sorted);
    if (text === JSON.stringify(this.#all)) return false;
    this.#all = sorted;
    this.#index();
    this.#write(LANGUAGES, text);
    this.#write(RELIST, String(Number.MAX_SAFE_INTEGER));
    return true;
  }

  /** By the whole name first, then by the longest ending. */
  of(path: string): ProjectLanguage | null {
    if (this.#all.length === 0) return null;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const known = this.#byFilename.get(name);
    if (known !== undefined) return known;
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
      const found = this.#byExtension.get(name.slice(dot + 1).toLowerCase());
      if (found !== undefined) return found;
    }
    return null;
  }

  /** By its name or an alias. */
  named(name: string | null): ProjectLanguage | null {
    return name === null ? null : (this.#byName.get(name.toLowerCase()) ?? null);
  }

  /** Their names and aliases. */
  get names(): Iterable<string> {
    return this.#byName.keys();
  }

  /** Whether what a grammar has said still holds: the service's own do not change. */
  isCurrent(grammar: string): boolean {
    return readGrammarKey(grammar) === null || this.#keys.has(grammar);
  }

  /** Null once every snapshot is listed with the present languages. */
  get relistBelow(): number | null {
    const text = this.#read(RELIST);
    return text === null ? null : Number(text);
  }

  /** Null when none is left. */
  relisted(number: number | null): void {
    if (number === null) this.#sql.exec("DELETE FROM meta WHERE key = ?", RELIST);
    else this.#write(RELIST, String(number));
  }

  /** Tells apart what was found with other languages. */
  get version(): string {
    return [...this.#keys].join();
  }

  #index(): void {
    const each = (names: (language: ProjectLanguage) => readonly string[]) =>
      new Map(
        this.#all.flatMap((language) => names(language).map((name) => [name, language] as const)),
      );
    this.#byExtension = each(({ extensions }) => extensions);
    this.#byFilename = each(({ filenames }) => filenames);
    this.#byName = each(({ name, aliases }) => [...aliases, name]);
    this.#keys = new Set(this.#all.map(grammarKey));
  }

  #read(key: string): string | null {
    const [row] = this.#sql.exec("SELECT value FROM meta WHERE key = ?", key).toArray();
    return row === undefined ? null : valueRow.parse(row).value;
  }

  #write(key: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value);
  }
}
