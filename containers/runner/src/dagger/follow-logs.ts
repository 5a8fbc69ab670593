/** Follows what a session's commands write, across cuts of the stream. */
import { setTimeout as delay } from "node:timers/promises";
import { type LogRecord, readEvents, readRecords } from "./log-records.ts";
import type { Session } from "./session.ts";

const RETRY_MS = 100;
/** Connections that bring nothing, one after another, before the stream is given up. */
const MAX_EMPTY_CONNECTIONS = 20;

/** Yields the records of each event; ends when the signal aborts or the engine gives no more. */
export async function* followLogs(
  { port, token }: Pick<Session, "port" | "token">,
  signal: AbortSignal,
): AsyncGenerator<readonly LogRecord[]> {
  const authorization = `Basic ${Buffer.from(`${token}:`).toString("base64")}`;
  let last = "";
  for (let empty = 0; empty < MAX_EMPTY_CONNECTIONS && !signal.aborted; empty += 1) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/v1/logs`, {
        headers: { authorization, ...(last !== "" && { "x-last-event-id": last }) },
        signal,
      });
      if (response.ok && response.body !== null) {
        for await (const { id, name, data } of readEvents(response.body)) {
          if (name !== "logs") continue;
          yield readRecords(data);
          // Only what was read is passed over when the stream is taken up again.
          last = id;
          empty = 0;
        }
      }
    } catch {
      // Cut off: what is missing comes with the next connection, or from the engine's files.
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}
