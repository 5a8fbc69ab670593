/** Events over a WebSocket: one JSON message each, stopped by the reader. */
import type { AppContext } from "./context.ts";
import { logWarning } from "./log.ts";

export function wantsSocket(c: AppContext): boolean {
  return c.req.header("upgrade")?.toLowerCase() === "websocket";
}

/**
 * Sends what `source` yields; closes with 1000 when all has been told, at once when it is null. What
 * the client sends is not read.
 */
export function eventSocket(
  c: AppContext,
  source: ((signal: AbortSignal) => AsyncIterable<unknown>) | null,
): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  const gone = new AbortController();
  const leave = () => gone.abort();
  server.addEventListener("close", leave);
  server.addEventListener("error", leave);
  server.accept();
  const requestId = c.get("requestId");
  c.executionCtx.waitUntil(
    pump(server, source, gone.signal).catch((error: unknown) => {
      logWarning("event_socket_ended", error, { request_id: requestId });
      server.close(1011, "The events cannot be read now; reconnect with ?after= the last seq.");
    }),
  );
  return new Response(null, { status: 101, webSocket: client });
}

async function pump(
  socket: WebSocket,
  source: ((signal: AbortSignal) => AsyncIterable<unknown>) | null,
  signal: AbortSignal,
): Promise<void> {
  if (source) {
    for await (const event of source(signal)) {
      if (signal.aborted) return;
      socket.send(JSON.stringify(event));
    }
  }
  if (!signal.aborted) socket.close(1000, "All has been told.");
}
