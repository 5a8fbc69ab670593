import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Frame } from "./frames.ts";
import { ProtocolError, readFrames } from "./read-frames.ts";

/** A stream of the given pieces, which counts how many were pulled. */
function stream(pieces: readonly Uint8Array[]) {
  const state = { pulled: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const piece = pieces[state.pulled];
        state.pulled += 1;
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: () => {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, state };
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function read(pieces: readonly Uint8Array[]): Promise<Frame[]> {
  const frames: Frame[] = [];
  await readFrames(stream(pieces).body, (frame) => {
    frames.push(frame);
    return undefined;
  });
  return frames;
}

const text = fc.string({ unit: "binary" }).map((value) => value.toWellFormed());
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.tuple(fc.constantFrom("stdout", "stderr"), text),
  fc.tuple(fc.constant("artifact"), text, fc.base64String(), fc.boolean()),
  fc.constant(["completed", { a: [1, "ü"] }, 0] as const),
  fc.constant(["exited", null, 3] as const),
  fc.constant(["failed", "exit", "script_threw", "message", 1, null] as const),
  fc.constant(["failed", "error", "code", "message", null, {}] as const),
);

describe("readFrames", () => {
  it("reads any frames, however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frame), fc.integer({ min: 1, max: 40 }), async (frames, size) => {
        const all = bytes(frames.map((value) => `${JSON.stringify(value)}\n`).join(""));
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < all.length; at += size) pieces.push(all.slice(at, at + size));
        expect(await read(pieces)).toEqual(JSON.parse(JSON.stringify(frames)));
      }),
    );
  });

  it("hangs up after the frame that is taken as the last", async () => {
    const { body, state } = stream([
      bytes('["completed",1,0]\n["completed",2,0]\n'),
      bytes("never"),
    ]);
    const taken: Frame[] = [];
    await readFrames(body, (frame) => {
      taken.push(frame);
      return "last";
    });
    expect(taken).toEqual([["completed", 1, 0]]);
    expect(state).toEqual({ pulled: 1, cancelled: true });
  });

  it.each([
    "not json",
    "{}",
    "null",
    "[]",
    '["unknown","x"]',
    '["stdout",1]',
    '["stdout"]',
    '["artifact","a","b"]',
    '["completed",1]',
    '["completed",1,"0"]',
    '["exited",1,1.5]',
    '["failed","because","c","m",1,null]',
    '["failed","exit","c","m",1]',
    '["failed","exit",1,"m",1,null]',
  ])("refuses the line %s", async (line) => {
    await expect(read([bytes(`${line}\n`)])).rejects.toThrow(ProtocolError);
  });

  it("refuses a stream that ends within a line", async () => {
    await expect(read([bytes('["stdout","a"]\n["std')])).rejects.toThrow("ends within a line");
  });

  it("refuses a line without end before it fills the memory", async () => {
    const piece = bytes("x".repeat(1 << 20));
    const { body, state } = stream(Array.from({ length: 1_000 }, () => piece));
    await expect(readFrames(body, () => undefined)).rejects.toThrow("does not end");
    expect(state.pulled).toBeLessThan(40);
    expect(state.cancelled).toBe(true);
  });

  it("reads no further while a frame is being taken", async () => {
    const line = bytes('["stdout","a"]\n');
    const { body, state } = stream([line, line, line]);
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let taken = 0;
    const reading = readFrames(body, () => {
      taken += 1;
      return taken === 1 ? held : undefined;
    });
    await expect.poll(() => taken).toBe(1);
    expect(state.pulled).toBe(1);
    release();
    await reading;
    expect(taken).toBe(3);
  });

  it("stops the child when taking a frame fails", async () => {
    const { body, state } = stream([bytes('["stdout","a"]\n'), bytes('["stdout","b"]\n')]);
    const failing = readFrames(body, () => {
      throw new Error("cannot take it");
    });
    await expect(failing).rejects.toThrow("cannot take it");
    expect(state.cancelled).toBe(true);
  });
});
