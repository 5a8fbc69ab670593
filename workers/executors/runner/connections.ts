/** The connections of runners, by WebSocket and by long-poll. One runner has one at a time. */
import { z } from "zod";
import { PollSession } from "./poll-session.ts";
import type { Connection, Outgoing } from "./pool-types.ts";

/** Closing codes, for the runner's log: it learns all it has to know from frames. */
export const CLOSE_REPLACED = 4001;
export const CLOSE_REFUSED = 4003;

const attachmentSchema = z.object({ runner_id: z.string(), is_ready: z.boolean() });

class SocketConnection implements Connection {
  readonly runner_id: string;
  readonly socket: WebSocket;
  #isReady: boolean;

  constructor(socket: WebSocket, runnerId: string, isReady: boolean) {
    this.socket = socket;
    this.runner_id = runnerId;
    this.#isReady = isReady;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Kept with the socket: it outlives the object's memory. */
  set isReady(value: boolean) {
    this.#isReady = value;
    this.socket.serializeAttachment({ runner_id: this.runner_id, is_ready: value });
  }

  send(frame: Outgoing): boolean {
    try {
      this.socket.send(JSON.stringify(frame));
      return true;
    } catch {
      return false;
    }
  }

  close(code: number, reason: string): void {
    try {
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
    const connection = new SocketConnection(server, runnerId, false);
    connection.isReady = false;
    this.#sockets.set(server, connection);
    return new Response(null, { status: 101, webSocket: client });
  }

  ofSocket(socket: WebSocket): Connection | null {
    const known = this.#sockets.get(socket);
    if (known) return known;
    const attached = attachmentSchema.safeParse(socket.deserializeAttachment());
    if (!attached.success) return null;
    const { runner_id, is_ready } = attached.data;
    const connection = new SocketConnection(socket, runner_id, is_ready);
    this.#sockets.set(socket, connection);
    return connection;
  }

  release(socket: WebSocket): void {
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
      if (connection instanceof SocketConnection) this.#sockets.delete(connection.socket);
      else this.#sessions.delete(runnerId);
    }
  }

  /** Sends to a runner over all its connections, whether they have said hello or not. */
  tellAll(runnerId: string, frame: Outgoing): void {
    for (const connection of this.#all(runnerId)) connection.send(frame);
  }

  *#all(runnerId: string): Generator<Connection> {
    for (const connection of this.#sockets.values()) {
      if (connection.runner_id === runnerId) yield connection;
    }
    const session = this.#sessions.get(runnerId);
    if (session?.isAlive(Date.now(), this.#leaseMs)) yield session;
  }
}
