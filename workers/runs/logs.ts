/** Reading output by bytes. */
import type { LogFilter } from "./event-log.ts";
import type { LogPiece, RunRecord } from "./record.ts";
import type { LogTail } from "./store-types.ts";

/** The most that one read returns. */
export const MAX_SLICE_BYTES = 4 * 1024 * 1024;
/** `stdout` and `stderr` in responses are the ends of their streams, up to this size. */
export const TAIL_BYTES = 64 * 1024;

export interface LogQuery {
  /** Null is the newest run. */
  readonly run: number | null;
  readonly stream: "stdout" | "stderr" | null;
  /** Name of a step or an item; null is all of them. */
  readonly step: string | null;
  /** Null is every attempt of the run. */
  readonly attempt: number | null;
  /** First byte; a negative number counts back from the end. */
  readonly from: number;
  /** Exclusive; null is the end. */
  readonly to: number | null;
}

export interface LogSlice {
  readonly body: Uint8Array;
  /** Offset of the first byte returned. */
  readonly from: number;
  /** Bytes of the whole output that matches. */
  readonly total: number;
}

const encoder = new TextEncoder();

/** The bytes that a query means, of `total` that match it. */
export function boundsOf(
  query: LogQuery,
  total: number,
): { readonly from: number; readonly to: number } {
  const from = Math.min(total, query.from < 0 ? Math.max(0, total + query.from) : query.from);
  return { from, to: Math.min(total, query.to ?? total, from + MAX_SLICE_BYTES) };
}

export function readLog(record: RunRecord, query: LogQuery): LogSlice {
  const pieces = record.log(query);
  const total = sizeOf(pieces);
  const { from, to } = boundsOf(query, total);
  const body = new Uint8Array(Math.max(0, to - from));
  copyPieces(pieces, 0, from, to, body);
  return { body, from, total };
}

/** The end of one stream of one dispatch, from a whole character on; null while it has no output. */
export function readTail(
  record: RunRecord,
  stream: string,
  dispatch: Pick<LogFilter, "step" | "epoch">,
): LogTail | null {
  const pieces = record.log({ stream, ...dispatch });
  if (pieces.length === 0) return null;
  const bytes = sizeOf(pieces);
  const tail = new Uint8Array(Math.min(bytes, TAIL_BYTES));
  copyPieces(pieces, 0, bytes - tail.byteLength, bytes, tail);
  let start = 0;
  if (bytes > TAIL_BYTES) while (((tail[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return { text: new TextDecoder().decode(tail.subarray(start)), bytes };
}

function sizeOf(pieces: readonly LogPiece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.bytes, 0);
}

/** Copies the bytes [from, to) into `body`, whose first byte is `from`; `offset` is the first piece's. */
export function copyPieces(
  pieces: readonly LogPiece[],
  offset: number,
  from: number,
  to: number,
  body: Uint8Array,
): void {
  let at = offset;
  for (const piece of pieces) {
    const start = Math.max(from, at);
    const end = Math.min(to, at + piece.bytes);
    if (start < end) {
      const bytes = encoder.encode(piece.text());
      body.set(bytes.subarray(start - at, end - at), start - from);
    }
    at += piece.bytes;
    if (at >= to) break;
  }
}
