/**
 * The Durable Object of one agent session: single writer and truth of it. This file is its RPC
 * surface and its alarm.
 */
import { DurableObject } from "cloudflare:workers";
import type { ParentRef } from "../../runs/store-types.ts";
import type { ChildReport, ChildStart } from "../../runs/sub-runs.ts";
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

  /** Makes the session the agent of a run's step; asked again, it says how that is. */
  async beginChild(start: ChildStart): Promise<ChildReport> {
    return this.#session.beginChild(start);
  }

  /** Ends the agent of a run's step; one that is not begun yet never will be. */
  async cancelChild(_id: string, parent: ParentRef): Promise<ChildReport> {
    return this.#session.cancelChild(parent);
  }

  /** Takes up what is unfinished here, of turns and of what lists show. */
  async wake(): Promise<void> {
    await this.#session.wake();
  }

  /**
   * `GET /` is the WebSocket of a watcher. `GET /bundle` is the session as a bundle; with `?fork=`, the
   * seq of a message, a session that goes on from there. `POST /bundle` makes this one of a bundle,
   * before which a line says who takes it in (`ImportTarget`).
   */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/bundle") return this.#session.watch();
    if (request.method === "POST") return takeBundle(this.#session, request);
    const fork = searchParams.get("fork");
    return giveBundle(this.#session, fork === null ? null : Number(fork));
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
    this.#session.unwatched();
  }

  override async alarm(): Promise<void> {
    await this.#session.alarm();
  }
}
