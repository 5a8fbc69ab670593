/**
 * Watchers of resources. Each is a hibernatable WebSocket from the Worker, so that a watcher keeps
 * no object awake; events are pushed as they are committed, in the order of their seq. A receiver
 * that sees a gap reads the missing rows by `events()`.
 */
/** The message that a watcher receives: events of one commit. */
export interface FeedMessage<Event> {
  readonly events: readonly Event[];
}

export class Feed<Event> {
  readonly #context: DurableObjectState;
  /** Upper bound of the sockets that are open, so that an unwatched commit asks nobody. */
  #sockets: number;

  constructor(context: DurableObjectState) {
    this.#context = context;
    this.#sockets = context.getWebSockets().length;
    context.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  /** Accepts a watcher of one resource. */
  accept(resourceId: string): Response {
    const pair = new WebSocketPair();
    this.#context.acceptWebSocket(pair[1], [resourceId]);
    this.#sockets += 1;
    return new Response(null, { status: 101, webSocket: pair[0] });
  }

  /** A watcher has gone. */
  release(): void {
    this.#sockets = this.#context.getWebSockets().length;
  }

  /** Sends the watchers of a resource that was deleted away. */
  dismiss(resourceId: string): void {
    for (const socket of this.#context.getWebSockets(resourceId)) {
      socket.close(1000, "deleted");
    }
  }

  push(resourceId: string, events: readonly Event[]): void {
    if (this.#sockets === 0 || events.length === 0) return;
    const sockets = this.#context.getWebSockets(resourceId);
    if (sockets.length === 0) return;
    const message = JSON.stringify({ events } satisfies FeedMessage<Event>);
    for (const socket of sockets) {
      try {
        socket.send(message);
      } catch {
        socket.close(1011, "send failed");
      }
    }
  }
}
