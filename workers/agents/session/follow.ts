/** Follows a session: its events from a seq on, those to come included, deltas among them. */
import { follow } from "../../runs/follow.ts";
import type { SessionEventRow, SessionObject } from "../session-port.ts";

const PAGE = 500;

/** Ends with the session's own end. `watch` opens a watcher's socket. */
export function followSession(
  session: Pick<SessionObject, "events" | "read">,
  watch: () => Promise<Response>,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<SessionEventRow> {
  return follow<SessionEventRow>({
    open: watch,
    async page(cursor) {
      const events = await session.events(cursor, PAGE);
      if ("refused" in events) return { events: [], ended: true };
      if (events.length > 0) return { events, ended: false };
      // What a terminated session had in flight is settled after its last event.
      const snapshot = await session.read();
      return { events, ended: "refused" in snapshot || snapshot.state === "terminated" };
    },
    isWanted: () => true,
    isLast: ({ type }) => type === "session.terminated",
    after,
    signal,
  });
}
