/** Renders what is known of symbols as text for a reader with a budget, such as a model. */

import type { ReadReceipt } from "./index/reading/pages.ts";
import type { DiffReceipt, FileDiff } from "./index/understanding/diff-query.ts";
import type { ImportDocument } from "./index/understanding/imports-query.ts";
import type { ReferenceDocument, SymbolPlace } from "./index/understanding/references-query.ts";
import type { SymbolDocument } from "./index/understanding/symbols-query.ts";
import { cutToBudget, type RenderedResult } from "./query/budget.ts";
import type { OutlineNode } from "./understanding-schemas.ts";

const SHORT_OID = 8;

export interface Rendered {
  readonly text: string | null;
  readonly tokens: number | null;
}

/** Nothing unless there is a budget. */
export function render(results: () => RenderedResult[], maxTokens: number | undefined): Rendered {
  if (maxTokens === undefined) return { text: null, tokens: null };
  const { text, tokens } = cutToBudget(results(), maxTokens);
  return { text, tokens };
}

export function renderSymbols(items: readonly SymbolDocument[], receipt: ReadReceipt) {
  return byFile(
    items,
    ({ path }) => path,
    receipt,
    ({ line, containers, signature, doc, name }) => {
      const around = containers.length === 0 ? "" : ` — in ${containers.join(" › ")}`;
      const said = doc === null ? "" : `\n   ${doc}`;
      return `${line}: ${signature || name}${around}${said}`;
    },
  );
}

export function renderOutline(path: string, nodes: readonly OutlineNode[], receipt: ReadReceipt) {
  const lines: string[] = [];
  const add = (members: readonly OutlineNode[], indent: string) => {
    for (const { line, end_line, signature, name, children } of members) {
      lines.push(`${indent}${signature || name}  [${line}-${end_line}]`);
      add(children, `${indent}  `);
    }
  };
  add(nodes, "");
  return [{ provenance: provenance(path, receipt), text: lines.join("\n") }];
}

export function renderReferences(items: readonly ReferenceDocument[], receipt: ReadReceipt) {
  return byFile(
    items,
    ({ path }) => path,
    receipt,
    (item) => {
      const { line, text, kind, within, definition, confidence, reason } = item;
      const place = (at: SymbolPlace) => `${at.path}:${at.line}`;
      const where = within === null ? "" : ` in ${within.name}`;
      const meant =
        definition === null
          ? (reason ?? "").replace("_", " ")
          : `→ ${place(definition)} ${confidence}`;
      return `${line}: ${text}\n   ${kind}${where} ${meant}`;
    },
  );
}

export function renderImports(items: readonly ImportDocument[], receipt: ReadReceipt) {
  return byFile(
    items,
    ({ from }) => from,
    receipt,
    ({ line, module, names, to, target }) => {
      const taken = names.map(({ name, alias }) => (alias === null ? name : `${name} as ${alias}`));
      const what = taken.length === 0 ? "" : ` (${taken.join(", ")})`;
      return `${line}: ${module}${what} → ${to ?? target}`;
    },
  );
}

export function renderDiff(items: readonly FileDiff[], receipt: DiffReceipt): RenderedResult[] {
  return items.map(({ change, path, old_path, lines_added, lines_removed, symbols, patch }) => {
    const from = old_path === null ? "" : `${old_path} → `;
    const counts = lines_added === null ? "binary" : `+${lines_added} −${lines_removed}`;
    const changes = symbols.map(
      ({ change: how, kind, name, containers }) =>
        `${how} ${kind} ${[...containers, name].join(".")}`,
    );
    return {
      provenance: `${from}${provenance(path, receipt)}`,
      text: [`${change} ${counts}`, ...changes, ...(patch === null ? [] : [patch])].join("\n"),
    };
  });
}

/** Items of one file that follow each other are one result. */
function byFile<Item>(
  items: readonly Item[],
  pathOf: (item: Item) => string,
  receipt: ReadReceipt,
  write: (item: Item) => string,
): RenderedResult[] {
  const groups: { path: string; lines: string[] }[] = [];
  for (const item of items) {
    const path = pathOf(item);
    const last = groups.at(-1);
    if (last?.path === path) last.lines.push(write(item));
    else groups.push({ path, lines: [write(item)] });
  }
  return groups.map(({ path, lines }) => ({
    provenance: provenance(path, receipt),
    text: lines.join("\n"),
  }));
}

function provenance(path: string, { root }: ReadReceipt): string {
  return `${path} @ ${root.slice(0, SHORT_OID)}`;
}
