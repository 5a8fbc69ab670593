/** Which transport the next connection uses. Without I/O. */
import type { ConnectError } from "../errors.ts";

export const TRANSPORT_MODES = ["auto", "websocket", "poll"] as const;
export type TransportMode = (typeof TRANSPORT_MODES)[number];
export type TransportName = "websocket" | "poll";

/** A proxy that lets no WebSocket through says so at every try; one failure may be chance. */
const TRIES_BEFORE_POLL = 2;

export class TransportChoice {
  readonly #mode: TransportMode;
  #blocked = 0;
  #hasPolled = false;

  constructor(mode: TransportMode) {
    this.#mode = mode;
  }

  get next(): TransportName {
    if (this.#mode !== "auto") return this.#mode;
    return this.#blocked >= (this.#hasPolled ? 1 : TRIES_BEFORE_POLL) ? "poll" : "websocket";
  }

  /** A connection by it was made, and has ended. */
  ended(name: TransportName): void {
    // A WebSocket is worth a try whenever a connection has to be made anew.
    this.#blocked = 0;
    if (name === "poll") this.#hasPolled = true;
  }

  /** No connection came about by it. */
  failed(name: TransportName, kind: ConnectError["kind"]): void {
    if (name === "poll") this.#blocked = 0;
    else if (kind === "blocked") this.#blocked += 1;
  }
}
