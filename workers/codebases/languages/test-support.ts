/** Writes what the parser says of a file in lines that a person can check against the source. */
import type { ParsedFile } from "./parsed-file.ts";

export interface Golden {
  readonly symbols: string[];
  readonly references: string[];
  readonly imports: string[];
}

const EXPORTED = new Map<boolean | null, string>([
  [true, " exported"],
  [false, " private"],
  [null, ""],
]);

/** `kind name line:column-end_line in Container exported | signature | doc`, and so on. */
export function describeParsed({ symbols, references, imports }: ParsedFile): Golden {
  const inside = (container: number | null) =>
    container === null ? "" : ` in ${symbols[container]?.name ?? "?"}`;
  return {
    symbols: symbols.map((symbol) => {
      const { kind, name, line, column, end_line, container, exported, signature, doc } = symbol;
      const place = `${line}:${column}-${end_line}${inside(container)}${EXPORTED.get(exported)}`;
      return `${kind} ${name} ${place} | ${signature}${doc === null ? "" : ` | ${doc}`}`;
    }),
    references: references.map(({ kind, name, line, column, container, qualifier }) => {
      const owner = qualifier === null ? "" : ` of ${qualifier}`;
      return `${kind} ${name}${owner} ${line}:${column}${inside(container)}`;
    }),
    imports: imports.map(({ module, names, line }) => {
      const what = names.map(({ name, alias }) => (alias === null ? name : `${name} as ${alias}`));
      return `${line} ${module}${what.length === 0 ? "" : `: ${what.join(", ")}`}`;
    }),
  };
}
