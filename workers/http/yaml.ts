/** YAML as it arrives from outside: its value, and where in the text each part of it stands. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLParseError,
} from "yaml";
import { ApiError, type Issue } from "./errors.ts";

const MAX_YAML_ALIASES = 100;

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Finds a path such as `tasks[2].name`, or what of it exists; null when none of it does. */
export type Locate = (path: string) => Place | null;

export const NOWHERE: Locate = () => null;

/** Adds to issues where in the text they are. */
export function locatedIssues(issues: readonly Issue[], locate: Locate): readonly Issue[] {
  if (locate === NOWHERE) return issues;
  return issues.map((issue) => ({ ...issue, ...locate(issue.path) }));
}

/** Throws `bad_request` with every syntax error and its place. */
export function parseYaml(text: string): { readonly value: unknown; readonly locate: Locate } {
  const lines = new LineCounter();
  const document = composeYaml(text, lines);
  if (document.errors.length > 0) {
    const issues = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      const path = `line ${line}, column ${col}`;
      return { path, message: explainYaml(error), line, column: col };
    });
    throw new ApiError("bad_request", "The body is not valid YAML.", { issues });
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
    return { value, locate: (path) => placeOf(document, lines, path) };
  } catch (cause) {
    throw new ApiError(
      "bad_request",
      "The YAML uses aliases without an anchor, or too many; write the values out.",
      { cause },
    );
  }
}

/** What to say instead of a message that quotes the document, or speaks to a programmer. */
const YAML_ADVICE: Partial<Record<YAMLParseError["code"], string>> = {
  BAD_COLLECTION_TYPE: "The tag does not fit its value; remove it.",
  BAD_DIRECTIVE: "The directive is not known; remove it.",
  BAD_DQ_ESCAPE: "The escape sequence is not valid; correct it, or use single quotes.",
  BLOCK_AS_IMPLICIT_KEY: "A mapping cannot begin here; quote the value, or begin a new line.",
  DUPLICATE_KEY: "The key was given before; give each key once.",
  MULTIPLE_DOCS: "Another document begins here; send one document.",
  RESOURCE_EXHAUSTION: "It nests too deeply to be read; flatten it.",
  TAB_AS_INDENT: "Indent with spaces, not with tabs.",
  TAG_RESOLVE_FAILED: "The tag is not known, or does not fit its value; remove it.",
  UNEXPECTED_TOKEN: "This does not fit here; check indentation, quotes and brackets.",
};

/** The parser's message without what it quotes of the document, which may be a secret. */
function explainYaml({ code, message }: YAMLParseError): string {
  return YAML_ADVICE[code] ?? `${message.replace(/: (?!in |between ).*$/s, "")}.`;
}

/** The composer recurses, so that a document of brackets alone exhausts the stack. */
function composeYaml(text: string, lineCounter: LineCounter): Document.Parsed {
  try {
    // The library's warnings quote the document, which may hold a secret: they are not printed.
    return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "error" });
  } catch (cause) {
    throw new ApiError("bad_request", "The YAML nests too deeply to be read; flatten it.", {
      cause,
    });
  }
}

const SEGMENT = /\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g;

/** The key of the deepest member of the path that is there, or the item of a sequence. */
function placeOf(document: Document.Parsed, lines: LineCounter, path: string): Place | null {
  let node: Node | null = document.contents;
  let offset: number | null = null;
  for (const [, index, quoted, plain] of path.matchAll(SEGMENT)) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    const step = index === undefined ? member(node, quoted ?? plain ?? "") : item(node, index);
    if (step === null) break;
    offset = step.offset ?? offset;
    node = step.node;
  }
  if (offset === null) return null;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

interface Step {
  readonly node: Node | null;
  readonly offset: number | null;
}

function member(node: Node | null, name: string): Step | null {
  if (!isMap(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
  if (!pair) return null;
  const { key, value } = pair;
  return { node: isNode(value) ? value : null, offset: isNode(key) ? startOf(key) : null };
}

function item(node: Node | null, index: string): Step | null {
  if (!isSeq(node)) return null;
  const value = node.items[Number(index)];
  return isNode(value) ? { node: value, offset: startOf(value) } : null;
}

function startOf(node: Node): number | null {
  return node.range?.[0] ?? null;
}
