/**
 * Watchers of resources. Each is a hibernatable WebSocket from the Worker, so that a watcher keeps
 * no object awake; events are pushed as they are committed, in the order of their seq. A receiver
 * that sees a gap reads the missing rows by `events()`.
 */
import type { EventRow } from "./store-types.ts";

/** The message that a watcher receives: events of one commit. */
export interface FeedMessage {
  readonly events: readonly EventRow[];
}

export class Feed {
  readonly #context: DurableObjectState;

  constructor(context: DurableObjectState) {
    this.#context = context;
    context.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  /** Accepts a watcher of one resource. */
  accept(resourceId: string): Response {
    const pair = new WebSocketPair();
    this.#context.acceptWebSocket(pair[1], [resourceId]);
    return new Response(null, { status: 101, webSocket: pair[0] });
  }

  watched(resourceId: string): boolean {
    return this.#context.getWebSockets(resourceId).length > 0;
  }

  push(resourceId: string, events: readonly EventRow[]): void {
    const sockets = this.#context.getWebSockets(resourceId);
    if (sockets.length === 0) return;
    const message = JSON.stringify({ events } satisfies FeedMessage);
    for (const socket of sockets) {
      try {
        socket.send(message);
      } catch {
        socket.close(1011, "send failed");
      }
    }
  }
}
