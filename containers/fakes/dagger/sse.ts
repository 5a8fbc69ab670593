/** Sends a feed as server-sent events, from any row on and for as long as the client listens. */
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Feed } from "./telemetry.ts";

/** Rows that come close together share an event; the engine polls every 100 ms. */
const COLLECT_MS = 25;
const DRAIN_MS = 1_000;
const MAX_ROWS_PER_EVENT = 1_000;

export interface FeedStream {
  readonly feed: Feed;
  readonly name: string;
  /** The id of the last event that the client has seen. */
  readonly last: string | undefined;
  /** Aborts when nothing more comes: what there is is still sent. */
  readonly ends: AbortSignal;
  /** Whether the stream is cut after so many events. */
  readonly isCut: (sentEvents: number) => boolean;
  readonly wrap: (rows: readonly unknown[]) => unknown;
}

export async function streamFeed(response: ServerResponse, stream: FeedStream): Promise<void> {
  const { feed, name, ends } = stream;
  const gone = new Promise<void>((resolve) => response.once("close", resolve));
  const ended = new Promise<void>((resolve) => {
    if (ends.aborted) resolve();
    ends.addEventListener("abort", () => resolve(), { once: true });
  });
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    connection: "keep-alive",
  });
  response.write(event("", "subscribed", ""));
  let row = Number.parseInt(stream.last ?? "0", 10) || 0;
  for (let sent = 0; !response.destroyed; ) {
    if (stream.isCut(sent)) {
      // What was sent before still arrives.
      response.socket?.destroySoon();
      return;
    }
    const changed = feed.changed;
    const rows = feed.after(row, MAX_ROWS_PER_EVENT);
    if (rows.length > 0) {
      row += rows.length;
      sent += 1;
      response.write(event(String(row), name, JSON.stringify(stream.wrap(rows))));
    } else if (ends.aborted) {
      response.end();
      // A client that does not read holds nothing up.
      await Promise.race([gone, sleep(DRAIN_MS, undefined, { ref: false })]);
      return;
    } else {
      await Promise.race([changed, gone, ended]);
      await Promise.race([sleep(COLLECT_MS), gone, ended]);
    }
  }
}

function event(id: string, name: string, data: string): string {
  return `id: ${id}\nevent: ${name}\n${data === "" ? "data" : `data: ${data}`}\n\n`;
}
