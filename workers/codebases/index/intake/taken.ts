/** Prepares the content of a file for the index, outside of it. */

import { MAX_LINE_CHARS } from "../../intake/classify.ts";
import type { BlobDigests } from "../../intake/git-objects.ts";
import { MAX_INDEXED_BYTES } from "../../intake/limits.ts";
import { findSecrets } from "../../intake/secrets.ts";
import { decodeText, lineFacts } from "../../intake/text-content.ts";
import { deflate } from "../storage/parts.ts";
import type { TakenBlob } from "../types.ts";

export interface ReadBlob extends BlobDigests {
  readonly size: number;
  /** Null when it is larger than is held. */
  readonly content: Uint8Array | null;
}

export function takeBlob({ oid, sha256, size, content }: ReadBlob): TakenBlob {
  const held = content === null || content.byteLength > MAX_INDEXED_BYTES ? null : content;
  const decoded = held === null ? null : decodeText(held);
  const text = decoded?.text ?? null;
  const { count, longest } = lineFacts(text ?? "");
  return {
    ...{ oid, sha256, size, text },
    encoding: decoded?.encoding ?? null,
    deflated: held === null ? null : deflate(held),
    lines: count,
    minified: longest > MAX_LINE_CHARS,
    secrets: text === null ? 0 : findSecrets(text).length,
  };
}
