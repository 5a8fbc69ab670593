/** Reads a child's NDJSON stream, one frame at a time, as fast as they are taken. */
import { MAX_RESULT_BYTES } from "../port.ts";
import { FRAMES_SEPARATOR, type Frame, isFrame } from "./frames.ts";

/** JSON escapes can double a text that is within its limit; nothing legitimate is longer. */
const MAX_LINE_CHARS = 2 * MAX_RESULT_BYTES + 4096;

/** The child broke the protocol: its code interfered with the harness. */
export class ProtocolError extends Error {
  constructor(what: string) {
    super(what);
    this.name = "ProtocolError";
  }
}

function parseFrame(line: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ProtocolError("a line is not JSON");
  }
  if (!isFrame(value)) throw new ProtocolError("a line is not a frame");
  return value;
}

/** Takes a frame: a promise holds the child back, `"last"` says that it was the last one. */
export type TakeFrame = (frame: Frame) => Promise<void> | "last" | undefined;

/** As `readFrames`, for an answer that has ended and came whole in its header. */
export async function readHeader(header: string, take: TakeFrame): Promise<void> {
  for (const line of header.split(FRAMES_SEPARATOR)) {
    const pending = take(parseFrame(line));
    if (pending === "last") return;
    if (pending !== undefined) await pending;
  }
}

/**
 * Calls `take` with every frame in order and waits when it returns a promise, which holds the child
 * back. Hangs up when it returns `"last"`: whatever the child would still do ends with that. `waits`
 * says that it could still do something, so that the end of it has to be waited for.
 * Rejects with what the stream fails with, a ProtocolError, or what `take` throws.
 */
export async function readFrames(
  body: ReadableStream<Uint8Array>,
  take: TakeFrame,
  waits = true,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const text = decoder.decode(value, { stream: true });
      let start = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
        const line = start === 0 ? rest + text.slice(0, end) : text.slice(start, end);
        rest = "";
        start = end + 1;
        const pending = take(parseFrame(line));
        if (pending === "last") {
          const hungUp = reader.cancel().catch(() => {});
          return waits ? await hungUp : undefined;
        }
        if (pending !== undefined) await pending;
      }
      rest += start === 0 ? text : text.slice(start);
      if (rest.length > MAX_LINE_CHARS) throw new ProtocolError("a line does not end");
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  }
  if (rest !== "") throw new ProtocolError("the stream ends within a line");
}
