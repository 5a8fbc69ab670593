/**
 * The Durable Object of one agent session: single writer and truth of it. This file is its RPC
 * surface and its alarm.
 */
import { DurableObject } from "cloudflare:workers";
import { giveBundle, takeBundle } from "./bundle-http.ts";
import type { SessionPorts } from "./ports.ts";
import { answer, type SessionRequest } from "./request.ts";
import { Session } from "./session.ts";

export abstract class AgentSessionBase extends DurableObject<Env> {
  readonly #session: Session;

  constructor(context: DurableObjectState, env: Env, ports: SessionPorts) {
    super(context, env);
    this.#session = new Session(context, env, ports);
  }

  /** A `SessionRequest`, and its answer, as JSON text: values of tools are of any shape. */
  async ask(text: string): Promise<string> {
    const request: SessionRequest = JSON.parse(text);
    return JSON.stringify(await answer(this.#session, request));
  }

  /** Takes up what is unfinished here, of turns and of what lists show. */
  async wake(): Promise<void> {
    await this.#session.wake();
  }

  /**
   * `GET /` is the WebSocket of a watcher, `GET /bundle` the session as a bundle, and `POST /bundle`
   * makes it of one, whose first line says who takes it in (`ImportTarget`).
   */
  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname !== "/bundle") return this.#session.watch();
    return request.method === "POST"
      ? takeBundle(this.#session, request)
      : giveBundle(this.#session);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
    this.#session.unwatched();
  }

  override async alarm(): Promise<void> {
    await this.#session.alarm();
  }
}
