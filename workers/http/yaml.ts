/** Reads YAML into JSON values, and finds again where in the text a value stands. */
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
/** A segment of an issue's path: `.name` or `name`, `[2]`, `["any text"]`. */
const SEGMENT = /\.?([\w$-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y;

/** A place in a text; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds what an issue's path names, or the nearest that there is of it. */
export type Locate = (path: string) => Position | null;

export interface ParsedYaml {
  readonly value: unknown;
  readonly locate: Locate;
}

/** Parses one document. Throws `bad_request` with the place of every mistake. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = composeYaml(text, lines);
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  if (document.errors.length > 0) {
    const issues = document.errors.map((error) => {
      const { line, column } = positionOf(error.pos[0]);
      const path = `line ${line}, column ${column}`;
      return { path, message: explainYaml(error), line, column };
    });
    throw new ApiError("bad_request", "The body is not valid YAML.", { issues });
  }
  try {
    return {
      value: document.toJS({ maxAliasCount: MAX_YAML_ALIASES }),
      locate: (path) => {
        const offset = offsetOf(document, segmentsOf(path));
        return offset === null ? null : positionOf(offset);
      },
    };
  } catch (cause) {
    throw new ApiError(
      "bad_request",
      "The YAML uses aliases without an anchor, or too many; write the values out.",
      { cause },
    );
  }
}

/** Adds to each issue where it is in the text; without a text they stay as they are. */
export function locateIssues(issues: readonly Issue[], locate: Locate | null): readonly Issue[] {
  if (locate === null) return issues;
  return issues.map((issue) => ({ ...issue, ...locate(issue.path) }));
}

/** An error of validation with the places of its issues; any other error as it is. */
export function locateError(error: unknown, locate: Locate | null): unknown {
  if (locate === null || !(error instanceof ApiError) || error.issues.length === 0) return error;
  const { code, detail, issues, members, headers, cause } = error;
  return new ApiError(code, detail, {
    issues: locateIssues(issues, locate),
    members,
    headers,
    cause: cause ?? error,
  });
}

function segmentsOf(path: string): string[] {
  const segments: string[] = [];
  SEGMENT.lastIndex = 0;
  for (let match = SEGMENT.exec(path); match !== null; match = SEGMENT.exec(path)) {
    const [, name, index, quoted] = match;
    segments.push(quoted === undefined ? (name ?? index ?? "") : String(JSON.parse(quoted)));
  }
  return segments;
}

/** Where the deepest part of the path begins that the document has: a member at its name. */
function offsetOf(document: Document.Parsed, segments: readonly string[]): number | null {
  let node = resolved(document, document.contents);
  let offset = node?.range?.[0] ?? null;
  for (const segment of segments) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === segment);
      if (pair === undefined || !isScalar(pair.key)) break;
      offset = pair.key.range?.[0] ?? offset;
      node = resolved(document, pair.value);
    } else if (isSeq(node)) {
      const item = node.items[Number(segment)];
      if (!isNode(item)) break;
      offset = item.range?.[0] ?? offset;
      node = resolved(document, item);
    } else break;
  }
  return offset;
}

function resolved(document: Document.Parsed, node: unknown): Node | null {
  if (isAlias(node)) return node.resolve(document) ?? null;
  return isNode(node) ? node : null;
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
