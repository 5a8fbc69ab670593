/** What a command says while it runs, and how a reader takes it up again. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { parseTraceparent } from "./telemetry.ts";
import {
  events,
  type LogLine,
  logLines,
  query,
  type ServerEvent,
  shell,
  written,
} from "./testing.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;

let dagger: FakeDagger;
beforeAll(async () => {
  dagger = await startFakeDagger();
});
afterAll(() => dagger.close());

/** Reads from the given event on until both streams of a command have ended. */
async function read(last?: string): Promise<{ events: ServerEvent[]; lines: LogLine[] }> {
  const all: { events: ServerEvent[]; lines: LogLine[] } = { events: [], lines: [] };
  const headers = last === undefined ? {} : { "x-last-event-id": last };
  for await (const event of events(dagger, "/v1/logs", headers)) {
    all.events.push(event);
    if (event.name === "logs") all.lines.push(...logLines(event));
    if (all.lines.filter((line) => line.isEnd).length === 2) break;
  }
  return all;
}

describe("parseTraceparent", () => {
  it("reads what is valid", () => {
    expect(parseTraceparent(traceparent)).toEqual({ traceId: TRACE, spanId: "00f067aa0ba902b7" });
    const zeros = `00-${"0".repeat(32)}-00f067aa0ba902b7-01`;
    for (const header of [undefined, "", "00-12", zeros])
      expect(parseTraceparent(header)).toBeNull();
  });
});

describe("GET /v1/logs", () => {
  it("sends, after an event of subscription, the output by stream and trace", async () => {
    const reading = read();
    const headers = { traceparent };
    await query(dagger, shell("echo out; echo err >&2; echo ä"), { headers });
    const { events: all, lines } = await reading;
    expect(all[0]).toEqual({ id: "", name: "subscribed", data: "" });
    expect(Number(all.at(-1)?.id)).toBe(lines.length);
    const text = (stream: string) =>
      lines
        .filter((line) => line.stream === stream)
        .map((line) => line.text)
        .join("");
    expect([text("1"), text("2")]).toEqual(["out\nä\n", "err\n"]);
    expect(new Set(lines.map((line) => line.traceId))).toEqual(new Set([TRACE]));
    expect(new Set(lines.map((line) => line.spanId)).size).toBe(1);
    expect(lines.filter((line) => line.isEnd).map((line) => [line.stream, line.text])).toEqual([
      ["1", ""],
      ["2", ""],
    ]);
  });

  it("resumes after an event, without gap or double", async () => {
    const whole = await read();
    const cut = Number(whole.events.at(-1)?.id) - 2;
    const rest = await read(String(cut));
    expect(rest.lines).toEqual(whole.lines.slice(cut));
  });

  it("sends what is written at once, not at the command's end", async () => {
    const abort = new AbortController();
    const running = query(dagger, shell("echo begun; sleep 1000"), { signal: abort.signal });
    await written(dagger, "begun\n");
    abort.abort();
    await expect(running).rejects.toThrow();
  });

  it("gives a command without a trace the session's own", async () => {
    const other = await dagger.openSession();
    await query(other, shell("echo untraced"));
    for await (const event of events(other, "/v1/logs")) {
      if (event.name !== "logs") continue;
      expect(logLines(event)[0]?.traceId).toMatch(/^(?!0{32}|4bf9)[0-9a-f]{32}$/);
      break;
    }
  });

  it("has nothing of what was cached, nor of another session", async () => {
    const other = await dagger.openSession();
    await query(other, shell("echo out; echo err >&2; echo ä"));
    await query(other, shell("echo last"));
    const seen: string[] = [];
    for await (const event of events(other, "/v1/logs")) {
      if (event.name === "logs") seen.push(...logLines(event).map((line) => line.text));
      if (seen.length > 0) break;
    }
    expect(seen[0]).toBe("last\n");
  });

  it("ends with the session, after the last line", async () => {
    const other = await dagger.openSession();
    await query(other, shell("echo before the end"));
    const seen: string[] = [];
    for await (const event of events(other, "/v1/logs")) {
      seen.push(event.name);
      if (event.name === "logs") void other.close();
    }
    expect(seen).toEqual(["subscribed", "logs"]);
  });
});

describe("GET /v1/traces", () => {
  it("tells of a command's start, end and exit code", async () => {
    const other = await dagger.openSession();
    await query(other, shell("echo traced; exit 4", "exitCode", ",expect: ANY"), {
      headers: { traceparent },
    });
    for await (const event of events(other, "/v1/traces")) {
      if (event.name !== "spans") continue;
      const { resourceSpans } = JSON.parse(event.data);
      const { spans } = resourceSpans[0].scopeSpans[0];
      const span = {
        name: "Container.withExec",
        traceId: Buffer.from(TRACE, "hex").toString("base64"),
      };
      expect(spans).toMatchObject([
        { ...span, status: {} },
        { ...span, events: [{ attributes: [{ key: "exit.code", value: { intValue: "4" } }] }] },
      ]);
      break;
    }
  });
});
