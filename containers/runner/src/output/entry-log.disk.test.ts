/** An entry log on a disk that takes less than it is given. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { OutputEntry } from "../../../../workers/executors/detached.ts";
import { Delivery } from "./delivery.ts";
import { EntryLog, overflowMarker } from "./entry-log.ts";

/** Bytes that the disk takes, in all and at a time. */
const disk = { free: Number.POSITIVE_INFINITY, atOnce: Number.POSITIVE_INFINITY };

vi.mock("node:fs", async (original) => {
  const actual = await original<typeof import("node:fs")>();
  const short = (
    file: number,
    bytes: NodeJS.ArrayBufferView,
    from: number,
    length: number,
    at: number,
  ) => {
    const most = Math.min(length, disk.free, disk.atOnce);
    if (most === 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    disk.free -= most;
    return actual.writeSync(file, bytes, from, most, at);
  };
  return { ...actual, writeSync: short };
});

const LIMIT = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), "pipelzr-disk-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() =>
  Object.assign(disk, { free: Number.POSITIVE_INFINITY, atOnce: Number.POSITIVE_INFINITY }),
);

function newLog() {
  const log = new EntryLog(join(folder, crypto.randomUUID()), LIMIT, () => {});
  const delivery = new Delivery(log);
  return {
    log,
    delivery,
    write: (text: string) => {
      log.write("stdout", text);
      log.flush();
    },
    /** What the service takes of all there is, acknowledged. */
    deliver: (): OutputEntry[] => {
      const taken: OutputEntry[] = [];
      for (let chunk = delivery.next(); chunk !== null; chunk = delivery.next()) {
        taken.push(...chunk.entries);
      }
      delivery.acknowledge(log.end.entry);
      return taken;
    },
  };
}

const MARKER: OutputEntry = ["stdout", overflowMarker(LIMIT)];

describe("a disk", () => {
  it("that takes a few bytes at a time gets all of them", () => {
    disk.atOnce = 7;
    const { write, deliver } = newLog();
    const lines = ["one line of many bytes\n", "grün\n"];
    for (const line of lines) write(line);
    expect(deliver()).toEqual(lines.map((line) => ["stdout", line]));
  });

  it("that is full within an entry has none of it, and a marker", () => {
    const { write, deliver } = newLog();
    write("whole\n");
    disk.free = 10;
    write("torn in two\n");
    write("not there\n");
    expect(deliver()).toEqual([["stdout", "whole\n"], MARKER]);
    disk.free = Number.POSITIVE_INFINITY;
    write("after\n");
    expect(deliver()).toEqual([["stdout", "after\n"]]);
  });

  it("that stays full loses no marker, also when all else is acknowledged before", () => {
    const { write, deliver, delivery, log } = newLog();
    write("whole\n");
    disk.free = 0;
    write("dropped\n");
    // On its way when it was written; the marker is not.
    expect(delivery.next()?.entries).toEqual([["stdout", "whole\n"]]);
    delivery.acknowledge(1);
    expect(delivery.hasSentAll).toBe(false);
    delivery.resume(1);
    expect(deliver()).toEqual([MARKER]);
    expect(delivery.hasSentAll).toBe(true);
    write("dropped as well\n");
    expect(deliver()).toEqual([MARKER]);
    disk.free = Number.POSITIVE_INFINITY;
    write("after\n");
    expect(deliver()).toEqual([["stdout", "after\n"]]);
    expect(log.end.entry).toBe(4);
  });
});
