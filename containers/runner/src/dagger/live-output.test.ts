/** What is taken for the task's output, and what is made of records that did not come. */
import { describe, expect, it } from "vitest";
import type { LogStream } from "../../../../workers/executors/port.ts";
import { LiveOutput } from "./live-output.ts";
import { type LogRecord, readEvents, readRecords, type ServerEvent } from "./log-records.ts";
import type { OutputEntry } from "./protocol.ts";

const NONCE = "0123456789abcdef";

function record(stream: LogStream, text: string, span = "task"): LogRecord {
  return { stream, text, isEnd: false, span };
}
const end = (stream: LogStream, span = "task"): LogRecord => ({
  ...{ stream, text: "", isEnd: true, span },
});

function listen() {
  const entries: OutputEntry[] = [];
  const live = new LiveOutput(NONCE, (more) => entries.push(...more));
  const text = (stream: LogStream) =>
    entries.map(([name, piece]) => (name === stream ? piece : "")).join("");
  return { live, entries, text };
}

describe("LiveOutput", () => {
  it("takes the streams that begin with the nonce, and no others", async () => {
    const { live, entries } = listen();
    live.take([
      record("stderr", "pulling", "image"),
      end("stdout", "image"),
      end("stderr", "image"),
    ]);
    live.take([record("stdout", `${NONCE}a`), record("stdout", "foreign", "other")]);
    live.take([record("stderr", NONCE), record("stderr", "b"), record("stdout", "c")]);
    expect(entries).toEqual([
      ["stdout", "a"],
      ["stderr", "b"],
      ["stdout", "c"],
    ]);
    expect([live.bytes("stdout"), live.bytes("stderr")]).toEqual([2, 1]);
    live.take([end("stdout"), end("stderr")]);
    await live.ended;
  });

  it("knows a nonce that comes in pieces", () => {
    const { live, text } = listen();
    for (const piece of [...NONCE, "x"]) live.take([record("stdout", piece)]);
    expect(text("stdout")).toBe("x");
  });

  it("passes on the rest of a stream that was cut", () => {
    const { live, text } = listen();
    live.take([record("stdout", `${NONCE}ab`)]);
    expect(live.complete("stdout", "abcd")).toBe(1);
    expect(text("stdout")).toBe("abcd");
  });

  it("says where what comes late belongs", () => {
    const { live, text } = listen();
    live.take([record("stdout", `${NONCE}first\n`), record("stdout", "third\n")]);
    live.complete("stdout", "first\nsecond\nthird\n");
    expect(text("stdout")).toMatch(/^first\nthird\n\n….* 6 characters before .*…\nsecond\n$/);
  });

  it("is quiet when nothing more is wanted, and still counts", () => {
    const { live, entries } = listen();
    live.take([record("stdout", `${NONCE}a`)]);
    live.quiet();
    live.take([record("stdout", "bc")]);
    expect(entries).toEqual([["stdout", "a"]]);
    expect(live.bytes("stdout")).toBe(3);
    expect(live.complete("stdout", "abcd")).toBe(0);
  });
});

async function* inPieces(text: string, bytes: number): AsyncGenerator<Uint8Array> {
  const all = Buffer.from(text);
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}

describe("readEvents", () => {
  const stream =
    'id: \nevent: subscribed\ndata\n\nid: 7\r\nevent: logs\r\ndata: {"ä":\r\ndata: 1}\r\n\r\nid: 8\ndata: cut';

  it.each([1, 2, 7, 1_000])("reads whole events from pieces of %i bytes", async (bytes) => {
    const events: ServerEvent[] = [];
    for await (const event of readEvents(inPieces(stream, bytes))) events.push(event);
    expect(events).toEqual([
      { id: "", name: "subscribed", data: "" },
      { id: "7", name: "logs", data: '{"ä":\n1}' },
    ]);
  });
});

describe("readRecords", () => {
  it("reads output, with numbers as text and as numbers, and leaves out the rest", () => {
    const log = (intValue: unknown, body?: string, more: object[] = []) => ({
      ...(body !== undefined && { body: { stringValue: body } }),
      attributes: [{ key: "stdio.stream", value: { intValue } }, ...more],
      spanId: "c3Bhbg==",
    });
    const logRecords = [
      log("1", "out"),
      log(2, "err"),
      { body: { stringValue: "no stream" } },
      { body: { intValue: "3" }, attributes: "odd" },
      log("1", undefined, [{ key: "stdio.eof", value: { boolValue: true } }]),
    ];
    const data = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }, {}] });
    const span = "c3Bhbg==";
    expect(readRecords(data)).toEqual([
      { stream: "stdout", text: "out", isEnd: false, span },
      { stream: "stderr", text: "err", isEnd: false, span },
      { stream: "stdout", text: "", isEnd: true, span },
    ]);
    expect(readRecords("{}")).toEqual([]);
    expect(readRecords("[]")).toEqual([]);
  });
});
