import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { OutputEntry } from "../../../../workers/executors/detached.ts";
import type { LogStream } from "../../../../workers/executors/port.ts";
import { MAX_LOG_FRAME_CHARS } from "../../../../workers/executors/runner/protocol.ts";
import { Delivery } from "./delivery.ts";
import { type Chunk, EntryLog, overflowMarker } from "./entry-log.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-output-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const newPath = () => join(folder, String(count++));
const newLog = (limit = 1 << 26, path = newPath()) => new EntryLog(path, limit, () => {});
const textOf = (entries: readonly OutputEntry[], stream: LogStream) =>
  entries.flatMap(([name, text]) => (name === stream ? [text] : [])).join("");

function readAll(log: EntryLog): OutputEntry[] {
  const entries: OutputEntry[] = [];
  let place = { entry: 0, offset: 0 };
  for (let chunk = log.read(place); chunk !== null; chunk = log.read(place)) {
    entries.push(...chunk.entries);
    place = chunk.next;
  }
  return entries;
}

const piece = fc.tuple(
  fc.constantFrom<LogStream>("stdout", "stderr"),
  fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.nat(150_000).map((length) => "é🙂\n".repeat(length / 4)),
  ),
);

describe("an entry log", () => {
  it("keeps text and order of the streams, in entries that fit a frame", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, fc.boolean()), { maxLength: 20 }), (pieces) => {
        const log = newLog();
        for (const [[stream, text], flush] of pieces) {
          log.write(stream, text);
          if (flush) log.flush();
        }
        log.flush();
        const entries = readAll(log);
        expect(log.end.entry).toBe(entries.length);
        for (const stream of ["stdout", "stderr"] as const) {
          const written = pieces.map(([[name, text]]) => (name === stream ? text : "")).join("");
          expect(textOf(entries, stream) === written).toBe(true);
        }
        for (const [, text] of entries) {
          expect(text.length).toBeLessThanOrEqual(MAX_LOG_FRAME_CHARS);
          expect(text.isWellFormed()).toBe(true);
        }
        log.close();
      }),
      { numRuns: 50 },
    );
  });

  it("joins what comes shortly after one another, and has it soon", async () => {
    const entered = vi.fn();
    const log = new EntryLog(newPath(), 1 << 20, entered);
    for (const text of ["a", "b", "c"]) log.write("stdout", text);
    expect(entered).not.toHaveBeenCalled();
    await vi.waitFor(() => expect(entered).toHaveBeenCalledOnce());
    expect(readAll(log)).toEqual([["stdout", "abc"]]);
    log.close();
  });

  it("ends at a marker when it is full, and goes on when there is room", () => {
    const limit = 1 << 20;
    const path = newPath();
    const log = newLog(limit, path);
    for (let index = 0; index < 30; index += 1) log.write("stdout", "x".repeat(60_000));
    log.flush();
    const entries = readAll(log);
    expect(entries.at(-1)?.[1]).toBe(overflowMarker(limit));
    expect(statSync(path).size).toBeLessThan(limit + 1_000);
    log.clear();
    log.write("stdout", "after");
    log.flush();
    expect(log.end.entry).toBe(entries.length + 1);
    expect(log.read({ entry: entries.length, offset: 0 })?.entries).toEqual([["stdout", "after"]]);
    expect(statSync(path).size).toBeLessThan(100);
    log.close();
  });

  it("bounds a chunk of many short entries", () => {
    const log = newLog();
    for (let index = 0; index < 10_000; index += 1) {
      log.write(index % 2 === 0 ? "stdout" : "stderr", "x");
    }
    log.flush();
    expect(log.read({ entry: 0, offset: 0 })?.entries.length).toBe(2_000);
    expect(readAll(log).length).toBe(10_000);
    log.close();
  });
});

describe("delivery", () => {
  it("brings every entry once and in order, whatever is lost and cut on the way", () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("write"), piece }) },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("send"), isLost: fc.boolean() }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("acknowledge"), late: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("reconnect") }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("again") }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const log = newLog();
        const delivery = new Delivery(log);
        const taken: OutputEntry[] = [];
        const written: string[] = [];
        const answers: number[] = [0];
        const take = (chunk: Chunk) => {
          const known = taken.length - chunk.from;
          if (known >= 0) taken.push(...chunk.entries.slice(known));
          answers.push(taken.length);
        };
        for (const each of steps) {
          if ("piece" in each) {
            log.write(...each.piece);
            log.flush();
            written.push(each.piece[1]);
          } else if ("isLost" in each) {
            const chunk = delivery.next();
            if (chunk !== null && !each.isLost) take(chunk);
          } else if ("late" in each) delivery.acknowledge(answers.at(-1 - each.late) ?? 0);
          else if (each.kind === "again") delivery.resume(delivery.acknowledged);
          else delivery.resume(taken.length);
        }
        delivery.resume(taken.length);
        while (taken.length < log.end.entry) {
          const chunk = delivery.next();
          if (chunk === null) throw new Error("an entry is missing");
          take(chunk);
          delivery.acknowledge(taken.length);
        }
        expect(taken.map(([, text]) => text).join("") === written.join("")).toBe(true);
        expect(delivery.hasSentAll).toBe(true);
        expect(delivery.isWaiting).toBe(false);
        // All of it is taken, so that no room is used.
        expect(log.end.offset).toBe(0);
        log.close();
      }),
      { numRuns: 200 },
    );
  });

  it("is a bounded number of frames ahead of a slow service", () => {
    const log = newLog();
    const delivery = new Delivery(log);
    for (let index = 0; index < 100; index += 1) log.write("stdout", "x".repeat(60_000));
    log.flush();
    let frames = 0;
    while (delivery.next() !== null) frames += 1;
    expect(frames).toBe(16);
    expect(delivery.acknowledge(3)).toBe(true);
    expect(delivery.next()?.from).toBe(16);
    expect(delivery.acknowledge(3)).toBe(false);
    expect(delivery.acknowledge(1_000)).toBe(false);
    log.close();
  });
});
