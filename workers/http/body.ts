/** Reads a request's body within its bounds and parses it as what its content type says. */
import { ApiError } from "./errors.ts";
import { findUnsafeJson } from "./json.ts";
import { type Locate, locateIssues, parseYaml } from "./yaml.ts";

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

export interface ParsedBody {
  /** Undefined when there is none. */
  readonly value: unknown;
  /** Finds places in a body of YAML; null for JSON, whose text people do not edit by line. */
  readonly locate: Locate | null;
}

const NO_BODY: ParsedBody = { value: undefined, locate: null };

/**
 * Reads and parses the body.
 * Throws `payload_too_large`, `unsupported_media_type`, `bad_request`, `validation_failed`.
 */
export async function readBody(request: Request, options: BodyOptions): Promise<ParsedBody> {
  if (request.body === null) return NO_BODY;
  const bytes = await readBytes(request, options.max_bytes);
  if (bytes.byteLength === 0) return NO_BODY;
  const format = formatOf(request.headers.get("content-type"), options.yaml);
  const text = decode(bytes);
  const parsed = format === "yaml" ? parseYaml(text) : { value: parseJson(text), locate: null };
  const issues = locateIssues(findUnsafeJson(parsed.value), parsed.locate);
  if (issues.length > 0) {
    throw new ApiError("validation_failed", "The body holds values that cannot be stored.", {
      issues,
    });
  }
  return parsed;
}

/** Reads a whole body, counting: a declared length is not to be trusted, and may be absent. */
export async function readBytes(
  request: Request,
  maxBytes: number,
  advice = "Send less, or raise MAX_BODY_BYTES.",
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new ApiError("payload_too_large", `The body is larger than ${maxBytes} bytes. ${advice}`, {
      members: { max_bytes: maxBytes },
    });
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge();
  if (declared !== null) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.byteLength > maxBytes) throw tooLarge();
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
      throw tooLarge();
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
