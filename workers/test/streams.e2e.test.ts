/** What is read as a stream: events that resume without gap or repeat, and logs by bytes. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Task } from "../tasks/schemas.ts";
import { Client, readReply } from "./client.ts";
import { TestService } from "./service.ts";
import { allEvents, endsRun, readEvents, type TaskEvent } from "./sse.ts";

const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));";
const LINES = 40;
/** Logs lines over about half a second; the text is not ASCII, so that bytes are not characters. */
const TALKATIVE = `${SLEEP} export default async (lines) => {
  for (let line = 0; line < lines; line += 1) { console.log("zeile " + line + " ü€😀"); await sleep(12); }
}`;
const BIG_LINES = 5_000;
const BIG_RESULT_CHARACTERS = 1024 * 1024;

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

const pathOf = (task: Task, rest: string) => `/api/v1/tasks/${task.id}/${rest}`;
const seqsOf = (events: readonly TaskEvent[]) => events.map(({ seq }) => seq);
const talk = () => client.start({ script: TALKATIVE, inputs: LINES });

function openEvents(task: Task, after: number | null, signal?: AbortSignal): Promise<Response> {
  const headers = after === null ? {} : { "last-event-id": String(after) };
  return client.open(pathOf(task, "events"), { headers, ...(signal ? { signal } : {}) });
}

/** Reads until `enough`, then hangs up; the connection breaking is an end like any other. */
async function readSome(task: Task, after: number | null, enough: number): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  const hangUp = new AbortController();
  try {
    const response = await openEvents(task, after, hangUp.signal);
    if (response.status !== 200) return events;
    for await (const event of readEvents(response.body)) {
      events.push(event);
      if (events.length >= enough) break;
    }
  } catch {
    // The service was killed: what has come counts.
  }
  hangUp.abort();
  return events;
}

/** Follows a run to its end on many connections, each of which resumes where the last one stopped. */
async function followInPieces(
  task: Task,
  piece: number,
  afterPiece: (events: readonly TaskEvent[]) => Promise<unknown> = async () => undefined,
): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  for (;;) {
    const more = await readSome(task, events.at(-1)?.seq ?? null, piece);
    events.push(...more);
    if (more.some(endsRun)) return events;
    await afterPiece(events);
  }
}

describe("events", () => {
  test("readers that resume in the middle see what one reader sees, in the same order", async () => {
    const task = await talk();
    const [whole, ...pieces] = await Promise.all([
      openEvents(task, null).then(allEvents),
      ...[1, 2, 7].map((piece) => followInPieces(task, piece)),
    ]);
    const [first] = seqsOf(whole);
    if (first === undefined) throw new Error("There are no events.");
    expect(seqsOf(whole)).toEqual(whole.map((_, index) => first + index));
    expect(whole.filter(endsRun)).toEqual([whole.at(-1)]);
    for (const events of pieces) expect(events).toEqual(whole);
    // Read again after the end, it is still the same.
    expect(await openEvents(task, null).then(allEvents)).toEqual(whole);
    const middle = whole[Math.floor(whole.length / 2)];
    const rest = await openEvents(task, middle?.seq ?? 0).then(allEvents);
    expect(rest).toEqual(whole.filter(({ seq }) => seq > (middle?.seq ?? 0)));
  });

  test("a reader that resumes after a kill -9 has no gap and no repeat", async () => {
    const task = await client.start({ script: TALKATIVE, inputs: 3 * LINES });
    let kills = 0;
    const events = await followInPieces(task, 15, async () => {
      if (kills > 0) return;
      kills += 1;
      await service.killAndRecover();
    });
    expect(kills).toBe(1);
    expect((await client.settled(task.id)).state).toBe("completed");
    const whole = await openEvents(task, null).then(allEvents);
    expect(events).toEqual(whole);
    expect(events.some(({ type }) => type === "attempt.lost")).toBe(true);
    expect(events.filter(endsRun)).toHaveLength(1);
  });

  test("204 says that all has been told; an id that is none begins at the beginning", async () => {
    const task = await client.start({ command: "echo told" }, "wait=30");
    const whole = await openEvents(task, null).then(allEvents);
    const last = whole.at(-1)?.seq ?? 0;
    expect((await openEvents(task, last)).status).toBe(204);
    expect((await openEvents(task, last + 100)).status).toBe(204);
    for (const id of ["", "abc", "-1", "1.5", "9".repeat(30)]) {
      const response = await client.open(pathOf(task, "events"), {
        headers: { "last-event-id": id },
      });
      expect(await allEvents(response), id).toEqual(whole);
    }
    expect((await client.call(pathOf(task, "events?run=2"))).status).toBe(404);
  });

  test("execute answers with the run's events when asked to", async () => {
    const task = await client.create({ script: TALKATIVE, inputs: 3 });
    const response = await client.open(pathOf(task, "execute"), {
      method: "POST",
      headers: { accept: "text/event-stream" },
    });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const events = await allEvents(response);
    expect(events.at(-1)?.type).toBe("run.completed");
    expect(
      events
        .filter(({ type }) => type === "log")
        .map(({ text }) => text)
        .join(""),
    ).toBe("zeile 0 ü€😀\nzeile 1 ü€😀\nzeile 2 ü€😀\n");
  });
});

describe("logs", () => {
  let task: Task;
  let whole: Buffer;

  beforeAll(async () => {
    task = await client.start({ script: TALKATIVE, inputs: LINES }, "wait=30");
    whole = Buffer.from(await (await client.open(pathOf(task, "logs"))).arrayBuffer());
  });

  async function range(value: string, rest = "logs") {
    const response = await client.open(pathOf(task, rest), { headers: { range: value } });
    const body = Buffer.from(await response.arrayBuffer());
    return { status: response.status, body, headers: response.headers };
  }

  test("are what the task wrote", () => {
    const lines = Array.from({ length: LINES }, (_, line) => `zeile ${line} ü€😀\n`);
    expect(whole.toString("utf8")).toBe(lines.join(""));
  });

  test.each([1, 7, 100, 10_000])("in pieces of %i bytes are the whole", async (size) => {
    const parts: Buffer[] = [];
    const end = size === 1 ? 60 : whole.byteLength;
    for (let from = 0; from < end; from += size) {
      const { status, body, headers } = await range(`bytes=${from}-${from + size - 1}`);
      expect(status).toBe(206);
      const to = Math.min(from + size, whole.byteLength) - 1;
      expect(headers.get("content-range")).toBe(`bytes ${from}-${to}/${whole.byteLength}`);
      expect(headers.get("content-length")).toBe(String(body.byteLength));
      parts.push(body);
    }
    expect(Buffer.concat(parts).equals(whole.subarray(0, size === 1 ? 60 : undefined))).toBe(true);
  });

  test("by HEAD have a length and no body", async () => {
    const head = await client.open(pathOf(task, "logs"), { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe(String(whole.byteLength));
    expect(await head.text()).toBe("");
  });

  test("by every form of a range", async () => {
    const size = whole.byteLength;
    const parts: [string, Buffer][] = [
      ["bytes=5-", whole.subarray(5)],
      ["bytes=-9", whole.subarray(-9)],
      [`bytes=-${size + 50}`, whole],
      [`bytes=${size - 1}-`, whole.subarray(-1)],
      [`bytes=0-${size * 2}`, whole],
    ];
    for (const [value, expected] of parts) {
      const { status, body } = await range(value);
      expect(status, value).toBe(206);
      expect(body.equals(expected), value).toBe(true);
    }
    for (const ignored of ["bytes=9-5", "bytes=0-1,3-4", "items=0-1", "bytes=", "bytes=a-b", "5"]) {
      const { status, body } = await range(ignored);
      expect(status, ignored).toBe(200);
      expect(body.equals(whole), ignored).toBe(true);
    }
    for (const beyond of [`bytes=${size}-`, `bytes=${size + 9}-${size + 10}`, "bytes=-0"]) {
      const { status, headers } = await range(beyond);
      expect(status, beyond).toBe(416);
      expect(headers.get("content-range"), beyond).toBe(`bytes */${size}`);
    }
    const none = await range("bytes=0-9", "logs?stream=stderr");
    expect(none.status).toBe(416);
    expect(none.headers.get("content-range")).toBe("bytes */0");
  });

  test("by stream and by attempt", async () => {
    const tries = await client.start(
      {
        script:
          "export default (input, { attempt }) => { console.log('out', attempt); console.error('err', attempt); if (attempt < 3) throw new Error('again'); }",
        retry: { max_attempts: 3, backoff: "fixed", initial_seconds: 0, jitter: false },
      },
      "wait=30",
    );
    expect(tries).toMatchObject({ state: "completed", attempt: 3 });
    const text = async (query: string) => (await client.call(pathOf(tries, `logs${query}`))).text;
    expect(await text("?stream=stdout")).toBe("out 1\nout 2\nout 3\n");
    expect(await text("?stream=stdout&attempt=2")).toBe("out 2\n");
    expect(await text("?stream=stderr&attempt=3")).toBe("err 3\n");
    expect(await text("?attempt=4")).toBe("");
    const both = await text("?attempt=1");
    expect(both).toMatch(/^out 1\nerr 1\n/);
    expect((await text("")).startsWith(both)).toBe(true);
    expect((await client.call(pathOf(tries, "logs?run=2"))).status).toBe(404);
  });

  test("follow a run live, to its end", async () => {
    const live = await talk();
    const response = await client.open(pathOf(live, "logs?follow=true"));
    const reader = response.body?.getReader();
    const parts: Uint8Array[] = [];
    const first = await reader?.read();
    if (!first?.value) throw new Error("Nothing came.");
    parts.push(first.value);
    // It came while the task still ran.
    expect((await client.task(live.id)).state).toBe("running");
    for (;;) {
      const part = await reader?.read();
      if (!part?.value) break;
      parts.push(part.value);
    }
    expect(Buffer.concat(parts).equals(whole)).toBe(true);
    expect((await client.settled(live.id)).state).toBe("completed");
    const after = await readReply(await client.open(pathOf(live, "logs?follow=true")));
    expect(after.text).toBe(whole.toString("utf8"));
  });

  test(`of ${BIG_LINES} lines are whole, and the task shows their end`, async () => {
    const big = await client.start({
      script:
        "export default (lines) => { for (let line = 0; line < lines; line += 1) console.log('line ' + line + ' '.padEnd(40, '.')); }",
      inputs: BIG_LINES,
    });
    const ended = await client.settled(big.id);
    const expected = Array.from(
      { length: BIG_LINES },
      (_, line) => `line ${line}${" ".padEnd(40, ".")}\n`,
    ).join("");
    const { text } = await client.call(pathOf(big, "logs"));
    expect(text === expected).toBe(true);
    expect(ended.stdout_bytes).toBe(expected.length);
    expect(ended.stdout).toBe(expected.slice(-64 * 1024));
    const events = await openEvents(big, null).then(allEvents);
    expect(
      events
        .filter(({ type }) => type === "log")
        .map((event) => event.text)
        .join(""),
    ).toBe(expected);
  });
});

test("a result of 1 MiB comes back as it was returned", async () => {
  const script = "export default (size) => ({ text: 'ü'.repeat(size / 2), list: [size] })";
  const task = await client.start({ script, inputs: BIG_RESULT_CHARACTERS }, "wait=30");
  const expected = { text: "ü".repeat(BIG_RESULT_CHARACTERS / 2), list: [BIG_RESULT_CHARACTERS] };
  expect(task.state).toBe("completed");
  expect(task.result).toEqual(expected);
  expect((await client.task(task.id)).result).toEqual(expected);
});

test("artifacts are listed and come back byte for byte", async () => {
  const bytes = Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256);
  const task = await client.start(
    {
      script:
        "export default (size, { files }) => { files.write('out/report.txt', 'grüße\\n'); files.write('out/deep/raw.bin', Uint8Array.from({ length: size }, (_, index) => (index * 7) % 256)); files.write('other.txt', 'not kept'); }",
      inputs: bytes.length,
      artifacts: ["out/**"],
    },
    "wait=30",
  );
  expect(task.state, task.error ?? "").toBe("completed");
  const listed = (await client.call(pathOf(task, "artifacts"))).json;
  const digest = (body: Uint8Array | string) => createHash("sha256").update(body).digest("hex");
  const sha256 = digest(Buffer.from(bytes));
  const kept = [
    { path: "out/deep/raw.bin", bytes: bytes.length, sha256 },
    { path: "out/report.txt", bytes: Buffer.byteLength("grüße\n"), sha256: digest("grüße\n") },
  ];
  expect(listed).toEqual({ items: expect.toSatisfy((items) => items.length === 2) });
  expect(listed).toEqual({ items: expect.arrayContaining(kept) });
  const content = async (path: string) => {
    const query = new URLSearchParams({ path });
    return client.open(pathOf(task, `artifacts/content?${query}`));
  };
  expect(await (await content("out/report.txt")).text()).toBe("grüße\n");
  const download = await content("out/deep/raw.bin");
  expect(download.headers.get("content-length")).toBe(String(bytes.length));
  expect(download.headers.get("etag")).toBe(`"${sha256}"`);
  const raw = Buffer.from(await download.arrayBuffer());
  expect(raw.equals(Buffer.from(bytes))).toBe(true);
  for (const path of ["other.txt", "out/../other.txt", "OUT/report.txt", "out"]) {
    expect((await content(path)).status, path).toBe(404);
  }
});
