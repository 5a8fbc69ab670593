/**
 * The same frames by long-poll, where no WebSocket gets through. One exchange at a time, so that
 * frames keep their order; it waits only briefly while there may be output to send.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  type exchangeRequestSchema,
  type FromRunner,
  MAX_EXCHANGE_BYTES,
  POLL_WAIT_MS,
  RUNNER_PATHS,
} from "../../../../workers/executors/runner/protocol.ts";
import { ConnectError, causeOf } from "../errors.ts";
import type { ServiceClient } from "../service.ts";
import {
  type Connection,
  type ConnectionEvents,
  type ConnectionSettings,
  type Transport,
  takeFrame,
} from "./connection.ts";

/** The most that output waits for the exchange under way. */
const BUSY_WAIT_MS = 250;
/** An answer that is this late does not come. */
const ANSWER_MS = 15_000;
/** An exchange without its frames. */
const ENVELOPE_BYTES = 1_000;
const answerSchema = z.object({ frames: z.array(z.unknown()) });

type Ending = Omit<z.output<typeof exchangeRequestSchema>, "session" | "frames">;
type Poster = Pick<ServiceClient, "post">;

export function createPollTransport(service: Poster): Transport {
  return {
    name: "poll",
    // The first exchange shows whether the service is there.
    open: async (events, settings) => new PollConnection(service, events, settings),
  };
}

class PollConnection implements Connection {
  readonly #service: Poster;
  readonly #events: ConnectionEvents;
  readonly #settings: ConnectionSettings;
  readonly #session = randomUUID();
  readonly #end = new AbortController();
  #outgoing: FromRunner[] = [];
  #wake: (() => void) | null = null;

  constructor(service: Poster, events: ConnectionEvents, settings: ConnectionSettings) {
    this.#service = service;
    this.#events = events;
    this.#settings = settings;
    void this.#exchange();
  }

  send(frame: FromRunner): void {
    this.#outgoing.push(frame);
    this.#wake?.();
  }

  /** The exchange that waits is given up; the last ones carry what is still to be said. */
  async end(): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.close();
    let ends = false;
    try {
      while (!ends) {
        const frames = this.#next();
        ends = this.#outgoing.length === 0;
        await this.#post(frames, { wait_ms: 0, ends }, AbortSignal.timeout(ANSWER_MS));
      }
    } catch {
      // A service that is not there learns it by what does not come any more.
    }
  }

  close(): void {
    this.#end.abort();
    this.#wake?.();
  }

  async #exchange(): Promise<void> {
    const ended = this.#end.signal;
    // A session begins with a hello.
    if (this.#outgoing.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    try {
      while (!ended.aborted) {
        const frames = this.#next();
        const wait_ms = this.#outgoing.length > 0 ? 0 : this.#waitMs();
        const signal = AbortSignal.any([ended, AbortSignal.timeout(wait_ms + ANSWER_MS)]);
        const answer = await this.#post(frames, { wait_ms }, signal);
        for (const frame of answerSchema.parse(answer).frames) {
          if (!ended.aborted) takeFrame(frame, this.#events);
        }
      }
    } catch (error) {
      if (ended.aborted) return;
      this.#end.abort();
      this.#events.closed(connectErrorFrom(error));
    }
  }

  /** Takes the frames of the next exchange, as JSON: as many as it may hold, one at least. */
  #next(): readonly string[] {
    const taken: string[] = [];
    let bytes = ENVELOPE_BYTES;
    for (const frame of this.#outgoing) {
      const text = JSON.stringify(frame);
      bytes += Buffer.byteLength(text) + 1;
      if (taken.length > 0 && bytes > MAX_EXCHANGE_BYTES) break;
      taken.push(text);
    }
    this.#outgoing = this.#outgoing.slice(taken.length);
    return taken;
  }

  /** Heartbeats go with exchanges, so none may outlast their interval. */
  #waitMs(): number {
    const interval = Math.floor(Math.min(this.#settings.pingMs(), POLL_WAIT_MS));
    return this.#settings.isBusy() ? Math.min(BUSY_WAIT_MS, interval) : interval;
  }

  /** `frames` are JSON already. */
  #post(frames: readonly string[], how: Ending, signal: AbortSignal): Promise<unknown> {
    const envelope = JSON.stringify({ session: this.#session, ...how });
    const body = `${envelope.slice(0, -1)},"frames":[${frames.join()}]}`;
    return this.#service.post(RUNNER_PATHS.exchange, body, signal);
  }
}

function connectErrorFrom(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof z.ZodError) {
    return new ConnectError("blocked", "The answer is not one of this protocol.");
  }
  return new ConnectError("unreachable", causeOf(error));
}
