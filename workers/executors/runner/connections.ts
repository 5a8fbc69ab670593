/** The connections of runners, by WebSocket and by long-poll. One runner has one at a time. */
import { z } from "zod";
import { PollSession } from "./poll-session.ts";
import type { Connection, Outgoing } from "./pool-types.ts";

/** Closing codes, for the runner's log: it learns all it has to know from frames. */
export const CLOSE_REPLACED = 4001;
export const CLOSE_REFUSED = 4003;
const CLOSE_BROKEN = 4004;
const CLOSE_GONE = 1000;

/** Kept with each socket: it outlives the object's memory. */
const attachmentSchema = z.object({
  runner_id: z.string(),
  is_ready: z.boolean(),
  is_closed: z.boolean().default(false),
});
type Attachment = Readonly<z.output<typeof attachmentSchema>>;

class SocketConnection implements Connection {
  readonly socket: WebSocket;
  #state: Attachment;

  constructor(socket: WebSocket, state: Attachment) {
    this.socket = socket;
    this.#state = state;
  }

  get runner_id(): string {
    return this.#state.runner_id;
  }

  get isReady(): boolean {
    return this.#state.is_ready;
  }

  set isReady(value: boolean) {
    if (!this.isClosed) this.#keep({ ...this.#state, is_ready: value });
  }

  get isClosed(): boolean {
    return this.#state.is_closed;
  }

  #keep(state: Attachment): void {
    this.#state = state;
    this.socket.serializeAttachment(state);
  }

  send(frame: Outgoing): boolean {
    if (this.isClosed) return false;
    try {
      this.socket.send(JSON.stringify(frame));
      return true;
    } catch {
      // Nothing can be given to it any more, even before its end is reported.
      this.close(CLOSE_BROKEN, "broken");
      return false;
    }
  }

  close(code: number, reason: string): void {
    if (this.isClosed) return;
    try {
      this.#keep({ ...this.#state, is_ready: false, is_closed: true });
      this.socket.close(code, reason);
    } catch {
      // It is closed already.
    }
  }
}

export class Connections {
  readonly #context: DurableObjectState;
  readonly #leaseMs: number;
  readonly #sockets = new Map<WebSocket, SocketConnection>();
  readonly #sessions = new Map<string, PollSession>();

  constructor(context: DurableObjectState, leaseMs: number) {
    this.#context = context;
    this.#leaseMs = leaseMs;
    context.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    for (const socket of context.getWebSockets()) this.ofSocket(socket);
  }

  /** Accepts a runner's socket; its first frame has to be a hello. */
  accept(runnerId: string): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.#context.acceptWebSocket(server, [runnerId]);
    const state = { runner_id: runnerId, is_ready: false, is_closed: false };
    server.serializeAttachment(state);
    this.#sockets.set(server, new SocketConnection(server, state));
    return new Response(null, { status: 101, webSocket: client });
  }

  ofSocket(socket: WebSocket): Connection | null {
    const known = this.#sockets.get(socket);
    if (known) return known;
    const attached = attachmentSchema.safeParse(socket.deserializeAttachment());
    if (!attached.success) return null;
    const connection = new SocketConnection(socket, attached.data);
    this.#sockets.set(socket, connection);
    return connection;
  }

  /** The socket has ended. */
  release(socket: WebSocket): void {
    this.ofSocket(socket)?.close(CLOSE_GONE, "closed");
    this.#sockets.delete(socket);
  }

  /** The session of a runner by long-poll, if the object still knows it. */
  session(runnerId: string, session: string): PollSession | null {
    const known = this.#sessions.get(runnerId);
    return known?.session === session && !known.isClosed ? known : null;
  }

  /** Begins a session, beside the connection that its hello is to replace. */
  begin(runnerId: string, session: string): PollSession {
    this.#sessions.get(runnerId)?.close();
    const fresh = new PollSession(runnerId, session);
    this.#sessions.set(runnerId, fresh);
    return fresh;
  }

  /** The connection over which the runner has said hello; null when there is none. */
  of(runnerId: string): Connection | null {
    for (const connection of this.#all(runnerId)) if (connection.isReady) return connection;
    return null;
  }

  /** Closes all connections of a runner but one. */
  closeOthers(runnerId: string, keep: Connection | null, code: number, reason: string): void {
    for (const connection of [...this.#all(runnerId)]) {
      if (connection === keep) continue;
      connection.close(code, reason);
      if (connection instanceof PollSession) this.#sessions.delete(runnerId);
    }
  }

  /** Sends to a runner over all its connections, whether they have said hello or not. */
  tellAll(runnerId: string, frame: Outgoing): void {
    for (const connection of this.#all(runnerId)) connection.send(frame);
  }

  *#all(runnerId: string): Generator<Connection> {
    for (const connection of this.#sockets.values()) {
      if (connection.runner_id === runnerId && !connection.isClosed) yield connection;
    }
    const session = this.#sessions.get(runnerId);
    if (session?.isAlive(Date.now(), this.#leaseMs)) yield session;
  }
}
