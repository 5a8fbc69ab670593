/** One connection to the service, by whichever transport. */
import { z } from "zod";
import {
  type FromRunner,
  type ToRunner,
  toRunnerSchema,
} from "../../../../workers/executors/runner/protocol.ts";
import type { ConnectError } from "../errors.ts";

export interface ConnectionEvents {
  frame(frame: ToRunner): void;
  /** What the service sent is no frame of this protocol; `what` describes it. */
  invalid(value: unknown, what: string): void;
  /** Called once, after which nothing is called. */
  closed(error: ConnectError): void;
}

export interface Connection {
  /** Frames arrive in order, or not at all once the connection is closed. */
  send(frame: FromRunner): void;
  /** Closes it after what was sent, since this process ends; resolves once the service knows. */
  end(): Promise<void>;
  /** Closes it; `closed` is not called. */
  close(): void;
}

export interface ConnectionSettings {
  /** How often the other side is asked whether it is there. */
  readonly pingMs: () => number;
  /** Whether output is to be expected. */
  readonly isBusy: () => boolean;
}

export interface Transport {
  readonly name: "websocket" | "poll";
  /** Rejects with a ConnectError. */
  open(events: ConnectionEvents, settings: ConnectionSettings): Promise<Connection>;
}

/** Parses what came over the wire and hands it on. */
export function takeFrame(value: unknown, events: ConnectionEvents): void {
  const parsed = toRunnerSchema.safeParse(value);
  if (parsed.success) events.frame(parsed.data);
  else events.invalid(value, z.prettifyError(parsed.error));
}
