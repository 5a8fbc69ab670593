/** Reads an upload of a grammar: a form of text fields and two files. */
import type { z } from "@hono/zod-openapi";
import { readBytes } from "../../http/body.ts";
import { ApiError, type Issue } from "../../http/errors.ts";
import { toIssues } from "../../http/issues.ts";
import { inOurWords } from "../../http/wording.ts";
import { MAX_QUERY_BYTES, MAX_WASM_BYTES, uploadFields } from "./schemas.ts";
import type { GrammarContent } from "./store.ts";

/** Fields, and what stands between the parts. */
const MAX_UPLOAD_BYTES = MAX_WASM_BYTES + MAX_QUERY_BYTES + 256 * 1024;
const WASM_MAGIC = [0x00, 0x61, 0x73, 0x6d];
const FILES = ["wasm", "tags"] as const;

export interface Upload extends GrammarContent {
  readonly projectId: string | undefined;
  readonly sample: string | undefined;
}

/** Throws `unsupported_media_type`, `bad_request`, `payload_too_large` and `validation_failed`. */
export async function readUpload(request: Request): Promise<Upload> {
  const form = await readForm(request);
  const texts = new Map<string, string[]>();
  const files: Record<(typeof FILES)[number], Uint8Array | null> = { wasm: null, tags: null };
  const issues: Issue[] = [];
  for (const [field, value] of form) {
    const file = FILES.find((name) => name === field);
    if (file === undefined) {
      texts.set(field, [...(texts.get(field) ?? []), await textOf(value)]);
    } else if (files[file] !== null) {
      issues.push({ path: field, message: "Send it once." });
    } else {
      files[file] = await bytesOf(value);
    }
  }
  const fields = uploadFields.safeParse(Object.fromEntries(texts), { error: inOurWords });
  if (!fields.success) issues.push(...toIssues(fields.error, {}));
  issues.push(...wasmIssues(files.wasm));
  const query = queryOf(files.tags);
  if (typeof query !== "string") issues.push(query);
  if (!fields.success || files.wasm === null || typeof query !== "string" || issues.length > 0) {
    throw new ApiError("validation_failed", "The upload is not valid; correct what is listed.", {
      issues,
    });
  }
  return { ...ofFields(fields.data), wasm: files.wasm, query };
}

function ofFields(fields: z.output<typeof uploadFields>) {
  const { name, project_id: projectId, sample, ...traits } = fields;
  return { name, projectId, sample, traits };
}

async function readForm(request: Request): Promise<FormData> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) {
    throw new ApiError(
      "unsupported_media_type",
      "Send the grammar as multipart/form-data, with its files as wasm and tags: curl -F wasm=@… -F tags=@…",
      { headers: { Accept: "multipart/form-data" } },
    );
  }
  const advice = `A grammar has at most ${MAX_WASM_BYTES} bytes; build it with optimizations.`;
  const bytes = await readBytes(request, MAX_UPLOAD_BYTES, advice);
  try {
    return await new Response(bytes, { headers: { "content-type": type } }).formData();
  } catch (cause) {
    throw new ApiError("bad_request", "The body is no form of the boundary that its type names.", {
      cause,
    });
  }
}

const textOf = async (value: string | File) => (typeof value === "string" ? value : value.text());
const bytesOf = async (value: string | File) =>
  typeof value === "string" ? new TextEncoder().encode(value) : value.bytes();

function wasmIssues(wasm: Uint8Array | null): Issue[] {
  const path = "wasm";
  if (wasm === null) return [{ path, message: "Send the grammar's .wasm file." }];
  if (wasm.byteLength > MAX_WASM_BYTES) {
    return [{ path, message: `It has at most ${MAX_WASM_BYTES} bytes.` }];
  }
  if (WASM_MAGIC.every((byte, at) => wasm[at] === byte)) return [];
  return [{ path, message: 'It is no WebAssembly. Send what "tree-sitter build --wasm" writes.' }];
}

function queryOf(tags: Uint8Array | null): string | Issue {
  const path = "tags";
  if (tags === null) return { path, message: "Send the query, tags.scm; it may be empty." };
  if (tags.byteLength > MAX_QUERY_BYTES) {
    return { path, message: `It has at most ${MAX_QUERY_BYTES} bytes.` };
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(tags);
  } catch {
    return { path, message: "It is not UTF-8. Send the query as text." };
  }
}
