/** Reads a request's body within its bounds and parses it as what its content type says. */
import { type Document, LineCounter, parseDocument, type YAMLParseError } from "yaml";
import { ApiError } from "./errors.ts";
import { findUnsafeJson } from "./json.ts";

const MAX_YAML_ALIASES = 100;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;
const YAML_TYPES: ReadonlySet<string> = new Set([
  "application/yaml",
  "application/x-yaml",
  "text/yaml",
  "text/x-yaml",
]);

export interface BodyOptions {
  readonly max_bytes: number;
  /** Whether `application/yaml` is accepted beside JSON. */
  readonly yaml: boolean;
}

/**
 * Returns the parsed body, or undefined when there is none.
 * Throws `payload_too_large`, `unsupported_media_type`, `bad_request`, `validation_failed`.
 */
export async function readBody(request: Request, options: BodyOptions): Promise<unknown> {
  if (request.body === null) return undefined;
  const bytes = await readBytes(request, options.max_bytes);
  if (bytes.byteLength === 0) return undefined;
  const format = formatOf(request.headers.get("content-type"), options.yaml);
  const text = decode(bytes);
  const value = format === "yaml" ? parseYaml(text) : parseJson(text);
  const issues = findUnsafeJson(value);
  if (issues.length > 0) {
    throw new ApiError("validation_failed", "The body holds values that cannot be stored.", {
      issues,
    });
  }
  return value;
}

/** Reads a whole body, counting: a declared length is not to be trusted, and may be absent. */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  if (declared !== null) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes);
    return bytes;
  }
  const chunks: Uint8Array[] = [];
  let total = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (part === undefined || part.done) break;
    const chunk: Uint8Array = part.value;
    total += chunk.byteLength;
    if (total > maxBytes) {
      await reader?.cancel().catch(() => undefined);
      throw tooLarge(maxBytes);
    }
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(
    "payload_too_large",
    `The body is larger than ${maxBytes} bytes. Send less, or raise MAX_BODY_BYTES.`,
    { members: { max_bytes: maxBytes } },
  );
}

function formatOf(contentType: string | null, yaml: boolean): "json" | "yaml" {
  const essence = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (essence === "" || JSON_TYPE.test(essence)) return "json";
  if (yaml && YAML_TYPES.has(essence)) return "yaml";
  const accepted = yaml ? "application/json or application/yaml" : "application/json";
  throw new ApiError(
    "unsupported_media_type",
    `The content type "${essence.slice(0, 100)}" is not accepted here; send ${accepted}.`,
    { headers: { Accept: accepted.replace(" or ", ", ") } },
  );
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new ApiError("bad_request", "The body is not valid UTF-8. Encode it as UTF-8.", {
      cause,
    });
  }
}

/** The parser's messages that say where, and quote nothing: a body may hold a secret. */
const QUOTELESS_MESSAGE = /^[^"]* in JSON at position \d+(?: \(line \d+ column \d+\))?$/;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const said = error instanceof Error ? error.message : "";
    const reason = QUOTELESS_MESSAGE.test(said) ? said : "a value is misspelled or cut off";
    throw new ApiError("bad_request", `The body is not valid JSON: ${reason}.`);
  }
}

function parseYaml(text: string): unknown {
  const lines = new LineCounter();
  const document = composeYaml(text, lines);
  if (document.errors.length > 0) {
    const issues = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { path: `line ${line}, column ${col}`, message: explainYaml(error) };
    });
    throw new ApiError("bad_request", "The body is not valid YAML.", { issues });
  }
  try {
    return document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
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
