/** What an attempt asks of the service that has sandboxes, and of one sandbox. */
import { messageOf } from "../message.ts";
import type { LogStream } from "../port.ts";

/** A create that was not answered by then is given up, and its sandbox looked for. */
export const CREATE_LIMIT_MS = 60_000;

/** Metadata that every sandbox of this service carries, to find and to judge it by. */
export type SandboxLabels = Readonly<Record<string, string>>;

export interface NewSandbox {
  readonly template: string;
  readonly labels: SandboxLabels;
  /** After so long the service ends it, whatever becomes of its owner. */
  readonly ttl_ms: number;
  /** What that end is; `pause` keeps memory and files, at no cost but that of the disk. */
  readonly on_timeout?: "kill" | "pause";
  /** Hosts that the code may reach. */
  readonly allow: readonly string[];
}

export interface ListedSandbox {
  readonly id: string;
  readonly labels: SandboxLabels;
  readonly started_at: number;
}

export type UploadBody = string | Uint8Array | ReadableStream<Uint8Array>;

export interface Upload {
  /** `~/…` is below the home of the sandbox's user. */
  readonly path: string;
  readonly body: UploadBody;
}

/** Takes a piece of output; a promise holds further output back until it resolves. */
export type TakeOutput = (stream: LogStream, bytes: Uint8Array) => Promise<void> | void;

/** One sandbox. Its calls throw SandboxUnreachable, which says nothing of whether it is still there. */
export interface Sandbox {
  readonly id: string;
  /** Several in one request, unless there is a stream among them. Throws DiskFull. */
  write(uploads: readonly Upload[]): Promise<void>;
  /** Null when there is no such file. An abort breaks the stream off. */
  read(path: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array> | null>;
  /** Runs a command to its end; resolves with its exit code. An abort leaves it running. */
  run(command: readonly string[], take: TakeOutput, signal?: AbortSignal): Promise<number>;
}

/** Who owns the sandboxes of attempts: a sandbox an attempt, or one that a run keeps for its steps. */
export interface SandboxService {
  /** Throws CreateRefused, CreateRejected, or SandboxUnreachable when nobody knows what came of it. */
  create(asked: NewSandbox): Promise<Sandbox>;
  /** Resumes a paused one, for `ttl_ms`; never shortens the time of one that runs. Null when it is gone. */
  connect(id: string, ttl_ms: number): Promise<Sandbox | null>;
  /** Whether it is there, running or paused. */
  exists(id: string): Promise<boolean>;
  /**
   * Stops it where it stands, processes included, and breaks every connection into it; `connect`
   * resumes it. Resolves with whether it is paused now: false says that it is gone.
   */
  pause(id: string): Promise<boolean>;
  /** Resolves once it is gone, also when it was before. */
  kill(id: string): Promise<void>;
  /** Lets it live for `ttl_ms` from now. */
  extend(id: string, ttl_ms: number): Promise<void>;
  /** All that carry the labels, page by page. */
  list(labels: SandboxLabels, page_size?: number): AsyncIterable<readonly ListedSandbox[]>;
}

export class SandboxUnreachable extends Error {
  override readonly name = "SandboxUnreachable";

  static of(cause: unknown): SandboxUnreachable {
    return new SandboxUnreachable(messageOf(cause));
  }
}

/** The sandbox has no space left. */
export class DiskFull extends Error {
  override readonly name = "DiskFull";
}

/** Nothing was made, for want of capacity: it is worth asking again. */
export class CreateRefused extends Error {
  override readonly name = "CreateRefused";
  /** It was not for want of room for this account: the service has none for anybody. */
  readonly isDown: boolean;

  constructor(message: string, isDown = false) {
    super(message);
    this.isDown = isDown;
  }
}

/** Nothing was made, nor will be: asking again is of no use. */
export class CreateRejected extends Error {
  override readonly name = "CreateRejected";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
