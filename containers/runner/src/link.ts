/** Keeps a connection to the service, and makes a new one whenever it is lost. */
import { setTimeout as delay } from "node:timers/promises";
import {
  type FromRunner,
  HEARTBEAT_MS,
  PROTOCOL_VERSION,
  type ToRunner,
} from "../../../workers/executors/runner/protocol.ts";
import { backoffMs } from "./backoff.ts";
import { ConnectError, FatalError } from "./errors.ts";
import type { TransportChoice, TransportName } from "./transport/choice.ts";
import type { Connection, Transport } from "./transport/connection.ts";

const BACKOFF = { firstMs: 250, maxMs: 20_000 };
const WELCOME_MS = 15_000;
const STABLE_MS = 10_000;

export interface LinkEvents {
  hello(): FromRunner;
  heartbeat(): FromRunner;
  /** A frame of a connection that `welcome` opened; that one is the first. */
  frame(frame: ToRunner): void;
  invalid(value: unknown, what: string): void;
  isBusy(): boolean;
  /** Tells whoever runs the runner. */
  say(line: string): void;
}

export interface LinkSettings {
  readonly url: string;
  /** What to do when the service does not know this runner any more. */
  readonly registerAnew: string;
  readonly transports: Readonly<Record<TransportName, Transport>>;
  readonly choice: TransportChoice;
}

type Welcome = Extract<ToRunner, { type: "welcome" }>;

export class Link {
  readonly #settings: LinkSettings;
  readonly #events: LinkEvents;
  readonly #stop = new AbortController();
  #connection: Connection | null = null;
  #isWelcome = false;
  #heartbeatMs = HEARTBEAT_MS;
  /** Whether it was said that there is no connection; said once, not at every try. */
  #hasComplained = false;

  constructor(settings: LinkSettings, events: LinkEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  /** Whether frames get through. */
  get isOpen(): boolean {
    return this.#isWelcome;
  }

  /** Sends a frame, or drops it when there is no connection: each is said again on the next. */
  send(frame: FromRunner): void {
    if (this.#isWelcome) this.#connection?.send(frame);
  }

  beat(): void {
    this.send(this.#events.heartbeat());
  }

  /** Tells the service that this process ends, after all that was sent. */
  async leave(): Promise<void> {
    this.beat();
    this.#isWelcome = false;
    await this.#connection?.end();
  }

  /** Ends `run`. */
  stop(): void {
    this.#stop.abort();
    this.#isWelcome = false;
    this.#connection?.close();
  }

  /** Connects for as long as the process lives; rejects with FatalError. */
  async run(): Promise<void> {
    const { choice, transports } = this.#settings;
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      const name = choice.next;
      const began = performance.now();
      const { error, wasWelcome } = await this.#connect(transports[name]);
      if (this.#stop.signal.aborted) return;
      if (error.kind === "refused") {
        throw new FatalError(
          `The service at ${this.#settings.url} refuses this runner: ${error.message} Check that --url names the service that it was registered with. ${this.#settings.registerAnew}`,
        );
      }
      if (wasWelcome) choice.ended(name);
      else choice.failed(name, error.kind);
      // Connections that end soon after they began are as good as none.
      failures = wasWelcome && performance.now() - began > STABLE_MS ? 1 : failures + 1;
      this.#complain(error, wasWelcome);
      const { signal } = this.#stop;
      await delay(backoffMs(failures, BACKOFF, Math.random()), undefined, { signal }).catch(
        () => undefined,
      );
    }
  }

  /** One connection from its beginning to its end. */
  async #connect(transport: Transport): Promise<{ error: ConnectError; wasWelcome: boolean }> {
    let heartbeats: NodeJS.Timeout | null = null;
    let wasWelcome = false;
    let end: (error: ConnectError) => void = () => {};
    const ended = new Promise<ConnectError>((resolve) => {
      end = resolve;
    });
    const closing = () => end(new ConnectError("unreachable", "stopped"));
    this.#stop.signal.addEventListener("abort", closing);
    const late = setTimeout(
      () => end(new ConnectError("blocked", "The service did not answer in time.")),
      WELCOME_MS,
    );
    try {
      const opening = transport.open(
        {
          frame: (frame) => {
            if (frame.type === "welcome") {
              clearTimeout(late);
              wasWelcome = true;
              this.#open(frame, transport);
              heartbeats ??= setInterval(() => this.beat(), this.#heartbeatMs);
            }
            if (wasWelcome || frame.type === "refused") this.#events.frame(frame);
          },
          invalid: (value, what) => this.#events.invalid(value, what),
          closed: (error) =>
            end(wasWelcome || error.kind === "refused" ? error : notWelcome(error)),
        },
        { pingMs: () => this.#heartbeatMs, isBusy: () => this.#events.isBusy() },
      );
      // A try that takes for ever ends like a connection that does.
      const connection = await Promise.race([opening, ended]);
      if (connection instanceof ConnectError) {
        void opening.then((late) => late.close()).catch(() => undefined);
        return { error: connection, wasWelcome };
      }
      this.#connection = connection;
      connection.send(this.#events.hello());
      const error = await ended;
      connection.close();
      return { error, wasWelcome };
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      return { error, wasWelcome };
    } finally {
      clearTimeout(late);
      if (heartbeats !== null) clearInterval(heartbeats);
      this.#stop.signal.removeEventListener("abort", closing);
      this.#isWelcome = false;
      this.#connection = null;
    }
  }

  #open({ protocol, heartbeat_ms, pool, runner_id }: Welcome, { name }: Transport): void {
    if (protocol !== PROTOCOL_VERSION) return;
    this.#heartbeatMs = Math.max(50, heartbeat_ms);
    this.#isWelcome = true;
    const way = name === "poll" ? " by long-poll" : "";
    this.#events.say(`connected to ${this.#settings.url}${way}: runner ${runner_id}, pool ${pool}`);
    this.#hasComplained = false;
  }

  #complain({ message, kind }: ConnectError, wasWelcome: boolean): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    const { url } = this.#settings;
    const what = wasWelcome
      ? `lost the connection to ${url}`
      : kind === "blocked"
        ? `the service at ${url} cannot be connected to`
        : `the service at ${url} cannot be reached`;
    this.#events.say(`${what}: ${message}; trying again until it works`);
  }
}

/** Something between the two lets the connection begin and then ends it. */
function notWelcome(error: ConnectError): ConnectError {
  return new ConnectError("blocked", error.message);
}
