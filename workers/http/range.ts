/** Single byte ranges (RFC 9110) over a body whose size is known. */
import { ApiError } from "./errors.ts";

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Reads `Range: bytes=a-b`, `bytes=a-` or `bytes=-n`. Null means the whole body: no header, another
 * unit, or several ranges, which a server may ignore. Throws `range_not_satisfiable`.
 */
export function readRange(header: string | undefined, size: number): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec((header ?? "").replaceAll(/\s/g, ""));
  if (match === null) return null;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return null;
  if (first === "") {
    const length = Math.min(Number(last), size);
    if (length === 0) throw notSatisfiable(size);
    return { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < offset) return null;
  if (offset >= size) throw notSatisfiable(size);
  return { offset, length: end - offset + 1 };
}

/** The headers of a 200 or 206 with these bytes. */
export function rangeHeaders(range: ByteRange | null, size: number): Record<string, string> {
  if (range === null) return { "Accept-Ranges": "bytes" };
  const end = range.offset + range.length - 1;
  return { "Accept-Ranges": "bytes", "Content-Range": `bytes ${range.offset}-${end}/${size}` };
}

function notSatisfiable(size: number): ApiError {
  return new ApiError(
    "range_not_satisfiable",
    `The range starts past the end: there are ${size} bytes. Ask for a range within them.`,
    { headers: { "Content-Range": `bytes */${size}` }, members: { size } },
  );
}
