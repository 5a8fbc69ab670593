/** One attempt inside its sandbox: the modes of the script, called and understood. */
import { z } from "zod";
import { type FileName, nameOfBytes } from "../artifact-path.ts";
import { AttemptFailed } from "../outcome.ts";
import type { LogStream } from "../port.ts";
import type { OutputLog } from "./output-log.ts";
import { type Sandbox, SandboxUnreachable } from "./sandbox.ts";
import { clearCommand, scriptCommand } from "./script.ts";

/** Paths of files that are looked at for artifacts. */
const MAX_LISTING_BYTES = 8 * 1024 * 1024;
/** Bytes of each stream in one answer. */
const READ_BYTES = 1024 * 1024;
/** Characters of paths in one command. */
const MAX_COMMAND_CHARS = 60_000;
const STREAMS = ["stdout", "stderr"] as const;

const statusSchema = z
  .string()
  .regex(/^(-|\d+)( \d+){4}$/)
  .transform((line) => {
    const [exit, ...sizes] = line.split(" ");
    const [stdout = 0, stderr = 0, output = 0, frame = 0] = sizes.map(Number);
    return { exit_code: exit === "-" ? null : Number(exit), stdout, stderr, output, frame };
  });
export type Status = z.output<typeof statusSchema>;

export interface RemoteFile {
  /** Relative to the working directory. */
  readonly name: FileName;
  readonly bytes: number;
}

/** Paths in groups that fit into a command each. */
function groups(paths: readonly string[]): string[][] {
  const all: string[][] = [];
  let chars = MAX_COMMAND_CHARS;
  for (const path of paths) {
    chars += path.length + 1;
    if (chars > MAX_COMMAND_CHARS) {
      all.push([]);
      chars = path.length + 1;
    }
    all.at(-1)?.push(path);
  }
  return all;
}

/** What `status files` lists: size and name of each, whose bytes need not be UTF-8. */
function* filesIn(listing: Buffer): Generator<RemoteFile> {
  let rest = listing;
  for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
    const line = rest.subarray(0, end);
    const space = line.indexOf(" ");
    const bytes = Number(line.subarray(0, space).toString());
    yield { bytes, name: nameOfBytes(line.subarray(space + 1)) };
    rest = rest.subarray(end + 1);
  }
}

export class RemoteProgram {
  readonly #sandbox: Sandbox;
  readonly #folder: string;
  readonly #workspace: string;

  /** The folders of the attempt and of the task's files, below the home of the sandbox's user. */
  constructor(sandbox: Sandbox, folder: string, workspace: string) {
    this.#sandbox = sandbox;
    this.#folder = folder;
    this.#workspace = workspace;
  }

  async #text(args: readonly string[], signal?: AbortSignal): Promise<string> {
    return (await this.#bytes(args, signal)).toString("utf8");
  }

  async #bytes(args: readonly string[], signal?: AbortSignal): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const take = (stream: LogStream, piece: Uint8Array) => {
      if (stream === "stderr" || bytes > MAX_LISTING_BYTES) return;
      bytes += piece.byteLength;
      pieces.push(piece);
    };
    await this.#sandbox.run(scriptCommand(this.#folder, ...args), take, signal);
    if (bytes > MAX_LISTING_BYTES) {
      throw new AttemptFailed(
        "error",
        "artifacts_too_many",
        "The working directory holds too many files to look for artifacts among them. Remove what is not needed before the end, such as node_modules, or set a working_directory.",
      );
    }
    return Buffer.concat(pieces);
  }

  /** Has a log take again what it took before. */
  async replay(log: OutputLog): Promise<void> {
    for (const stream of STREAMS) {
      let left = log.replay[stream];
      if (left === 0) continue;
      const name = stream === "stdout" ? "out" : "err";
      const body = await this.#sandbox.read(`~/${this.#folder}/${name}`);
      if (body === null) throw new SandboxUnreachable("The output's file is not there");
      for await (const piece of body) {
        log.refeed(stream, piece.subarray(0, left));
        left -= Math.min(left, piece.byteLength);
        if (left === 0) break;
      }
      if (left > 0) throw new SandboxUnreachable("The output's file is shorter than it was");
    }
  }

  /**
   * Follows the code's output and resolves once it has ended; `attach` starts it first, unless it
   * was started.
   */
  async follow(mode: "attach" | "watch", log: OutputLog, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw SandboxUnreachable.of(signal.reason);
    const until = new AbortController();
    signal.addEventListener("abort", () => until.abort(signal.reason), { once: true });
    const from = STREAMS.map((stream) => (log.isCut ? "-" : String(log.read[stream] + 1)));
    const wasCut = log.isCut;
    const take = async (stream: LogStream, bytes: Uint8Array) => {
      await log.feed(stream, bytes);
      if (log.isCut && !wasCut) until.abort("cut");
    };
    const command = scriptCommand(this.#folder, mode, ...from);
    try {
      const code = await this.#sandbox.run(command, take, until.signal);
      if (code !== 0) throw new SandboxUnreachable(`Following the code ended with ${code}`);
    } catch (error) {
      // What follows the limit is not fetched: the end alone is waited for.
      if (log.isCut && !wasCut && !signal.aborted) return this.follow(mode, log, signal);
      throw error;
    }
  }

  /** Ends the code; resolves once its process group is gone. */
  async stop(graceMs: number, signal?: AbortSignal): Promise<void> {
    const tenths = String(Math.ceil(graceMs / 100));
    const command = scriptCommand(this.#folder, "stop", tenths);
    const code = await this.#sandbox.run(command, () => undefined, signal);
    if (code !== 0) throw new SandboxUnreachable(`Stopping the code ended with ${code}`);
  }

  /** Ends the code by force and removes everything of the attempt. */
  async clear(signal?: AbortSignal): Promise<void> {
    const code = await this.#sandbox.run(clearCommand(this.#folder), () => undefined, signal);
    if (code !== 0) throw new SandboxUnreachable(`Clearing the attempt away ended with ${code}`);
  }

  /** How the code ended, and the files of its working directory when they are asked for. */
  async status(
    withFiles: boolean,
    signal?: AbortSignal,
  ): Promise<{ status: Status; files: RemoteFile[] }> {
    const told = await this.#bytes(withFiles ? ["status", "files"] : ["status"], signal);
    const end = told.indexOf("\n");
    const parsed = statusSchema.safeParse(told.subarray(0, Math.max(0, end)).toString("utf8"));
    if (!parsed.success) throw new SandboxUnreachable("The sandbox tells no status of the code");
    return { status: parsed.data, files: [...filesIn(told.subarray(end + 1))] };
  }

  /** Has a log take what it has not taken of a program that has ended, unless it is aborted. */
  async drain(log: OutputLog, { stdout, stderr }: Status, signal?: AbortSignal): Promise<void> {
    const take = async (stream: LogStream, bytes: Uint8Array) => {
      // Somebody else may be draining by now.
      if (signal?.aborted) throw SandboxUnreachable.of(signal.reason);
      await log.feed(stream, bytes);
    };
    while (!log.isCut && (log.read.stdout < stdout || log.read.stderr < stderr)) {
      const before = log.read.stdout + log.read.stderr;
      const from = STREAMS.map((stream) => String(log.read[stream] + 1));
      const command = scriptCommand(this.#folder, "read", ...from, String(READ_BYTES));
      await this.#sandbox.run(command, take, signal);
      if (log.read.stdout + log.read.stderr === before) {
        throw new SandboxUnreachable("The rest of the output cannot be read");
      }
    }
  }

  /** SHA-256 by path; a file that is gone is left out. */
  async hashes(paths: readonly string[], signal?: AbortSignal): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const some of groups(paths)) {
      for (const line of (await this.#text(["hash", ...some], signal)).split("\0")) {
        const match = /^([0-9a-f]{64}) [ *]([\s\S]+)$/.exec(line);
        if (match?.[1] && match[2]) found.set(match[2], match[1]);
      }
    }
    return found;
  }

  /** The text of a file of the attempt's folder; "" when there is none. */
  async ownFile(name: "output" | "frame", signal?: AbortSignal): Promise<string> {
    const body = await this.#sandbox.read(`~/${this.#folder}/${name}`, signal);
    return body === null ? "" : new Response(body).text();
  }

  workspaceFile(
    directory: string,
    path: string,
    signal?: AbortSignal,
  ): Promise<ReadableStream<Uint8Array> | null> {
    const folder = directory === "" ? "" : `${directory}/`;
    return this.#sandbox.read(`~/${this.#workspace}/${folder}${path}`, signal);
  }
}
