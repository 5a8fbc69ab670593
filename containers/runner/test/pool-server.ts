/**
 * The service's side of the protocol, with the faults that a runner has to live through. It checks
 * every signature and counts what comes twice or out of order.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { OutputEntry } from "../../../workers/executors/detached.ts";
import type { Outcome } from "../../../workers/executors/port.ts";
import {
  CLOSE_ENDED,
  exchangeRequestSchema,
  type FromRunner,
  fromRunnerSchema,
  type Held,
  PROTOCOL_VERSION,
  RUNNER_PATHS,
  signedText,
  type ToRunner,
} from "../../../workers/executors/runner/protocol.ts";

export const TOKEN = "one-time-token";
const RUNNER_ID = "runner-1";
const HEARTBEAT_MS = 200;

type Frame<T extends FromRunner["type"]> = Extract<FromRunner, { type: T }>;

/** What the pool has of one dispatch. */
export interface Taken {
  readonly epoch: number;
  readonly entries: OutputEntry[];
  /** Entries that came although the pool had them. */
  repeated: number;
  /** Frames that began after what the pool had. */
  gaps: number;
  outcome: Outcome | null;
  /** How often the outcome came. */
  completes: number;
}

interface Peer {
  send(frame: ToRunner): void;
  cut(): void;
}

export class PoolServer {
  readonly faults = {
    /** Answers WebSocket upgrades with this status. */
    upgradeStatus: 0,
    acknowledgesLogs: true,
    acknowledgesOutcomes: true,
    /** Loses so many frames of output. */
    losesLogs: 0,
    /** Acknowledges output this much later. */
    acknowledgeAfterMs: 0,
    /** Answers a hello with this instead of a welcome. */
    refusal: null as null | { code: string; message: string },
    protocol: PROTOCOL_VERSION,
    /** Of what the runner has, welcome goes on with these alone; null for all. */
    resumes: null as null | ((held: Held) => boolean),
  };
  readonly frames: FromRunner[] = [];
  readonly taken = new Map<string, Taken>();
  readonly artifacts = new Map<string, Buffer>();
  readonly blobs = new Map<string, Buffer>();
  /** Dispatches, as `attempt@epoch`, whose artifacts and blobs are answered 409. */
  readonly fenced = new Set<string>();
  readonly problems: string[] = [];
  connections = 0;
  upgrades = 0;
  exchanges = 0;
  /** How often a runner said that its process ends. */
  endings = 0;
  #peer: Peer | null = null;
  #publicKey: string | null = null;
  #isTokenUsed = false;
  readonly #nonces = new Set<string>();
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #tcp = new Set<Duplex>();
  /** The session by long-poll: frames for the runner, and who waits for them. */
  #session: { id: string; queue: ToRunner[]; wake: (() => void) | null } | null = null;
  /** Called with every log frame before it is taken. */
  onLog: (frame: Frame<"log">) => void = () => {};

  private constructor(port: number, ready: () => void) {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.problems.push(String(error));
        response.writeHead(500).end();
      });
    });
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on("connection", (socket) => {
      this.#tcp.add(socket);
      socket.on("close", () => this.#tcp.delete(socket));
    });
    this.#server.listen(port, "127.0.0.1", ready);
  }

  static async start(port = 0): Promise<PoolServer> {
    let ready: () => void = () => {};
    const listening = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const pool = new PoolServer(port, () => ready());
    await listening;
    return pool;
  }

  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends it, with every connection. */
  async stop(): Promise<void> {
    for (const socket of this.#tcp) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Takes over what another pool knew of runner and attempts, as a service that was restarted. */
  inherit(other: PoolServer): void {
    this.#publicKey = other.#publicKey;
    for (const [attempt, taken] of other.taken) this.taken.set(attempt, taken);
  }

  send(frame: ToRunner): void {
    this.#peer?.send(frame);
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.#peer?.cut();
  }

  /** Stops reading and writing, with the connection open. */
  freeze(): void {
    for (const socket of this.#tcp) socket.pause();
  }

  last<T extends FromRunner["type"]>(type: T): Frame<T> | undefined {
    return this.frames.findLast((frame): frame is Frame<T> => frame.type === type);
  }

  text(attempt: string, stream: "stdout" | "stderr"): string {
    const entries = this.taken.get(attempt)?.entries ?? [];
    return entries.flatMap(([name, text]) => (name === stream ? [text] : [])).join("");
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.upgrades += 1;
    const problem = this.#signatureProblem(request, "-");
    const status = this.faults.upgradeStatus || (problem === null ? 0 : 401);
    if (status !== 0) {
      const body = JSON.stringify({ code: "no", detail: problem ?? "No upgrade here." });
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket));
  }

  #accept(socket: WebSocket): void {
    const peer: Peer = {
      send: (frame) => socket.send(JSON.stringify(frame)),
      cut: () => socket.terminate(),
    };
    socket.on("error", () => undefined);
    socket.on("close", (code) => {
      if (code === CLOSE_ENDED) this.endings += 1;
    });
    socket.on("message", (data) => this.#take(JSON.parse(data.toString()), peer));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const url = new URL(request.url ?? "/", this.url);
    const answer = (status: number, value: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (url.pathname === RUNNER_PATHS.register) {
      const { token, public_key } = JSON.parse(body.toString());
      const isRepeated = public_key === this.#publicKey;
      if (token !== TOKEN || (this.#isTokenUsed && !isRepeated)) {
        answer(401, { code: "token_used", detail: "The token has been used." });
        return;
      }
      this.#isTokenUsed = true;
      this.#publicKey = public_key;
      answer(201, { runner_id: RUNNER_ID, pool: "default" });
      return;
    }
    const digest = request.method === "PUT" ? "-" : createHash("sha256").update(body).digest("hex");
    const problem = this.#signatureProblem(request, digest);
    if (problem !== null) {
      answer(401, { code: "signature", detail: problem });
      return;
    }
    const dispatch = `${url.searchParams.get("attempt")}@${url.searchParams.get("epoch")}`;
    if (this.fenced.has(dispatch)) {
      answer(409, { code: "fenced", detail: "Fenced." });
    } else if (url.pathname === RUNNER_PATHS.blobs) {
      const blob = this.blobs.get(url.searchParams.get("key") ?? "");
      if (blob === undefined) answer(404, { detail: "No such blob." });
      else response.writeHead(200).end(blob);
    } else if (url.pathname === RUNNER_PATHS.artifacts) {
      this.artifacts.set(url.searchParams.get("path") ?? "", body);
      response.writeHead(204).end();
    } else if (url.pathname === RUNNER_PATHS.exchange) {
      answer(200, { frames: await this.#exchange(JSON.parse(body.toString())) });
    } else {
      answer(404, { detail: "No such path." });
    }
  }

  async #exchange(value: unknown): Promise<ToRunner[]> {
    this.exchanges += 1;
    const { session: id, frames, wait_ms, ends } = exchangeRequestSchema.parse(value);
    if (ends === true) this.endings += 1;
    if (this.#session?.id !== id) this.#session = { id, queue: [], wake: null };
    const session = this.#session;
    const peer: Peer = {
      send: (frame) => {
        session.queue.push(frame);
        session.wake?.();
      },
      cut: () => {
        for (const socket of this.#tcp) socket.destroy();
      },
    };
    for (const frame of frames) this.#take(fromRunnerSchema.parse(frame), peer);
    if (session.queue.length === 0) {
      await new Promise<void>((resolve) => {
        session.wake = resolve;
        setTimeout(resolve, wait_ms);
      });
    }
    const answer = session.queue;
    session.queue = [];
    return answer;
  }

  #signatureProblem(request: IncomingMessage, digest: string): string | null {
    const header =
      /^PIPELZR-Runner id=(\S+),ts=(\d+),nonce=([0-9a-f]{32}),sig=([\w-]+)$/.exec(
        request.headers.authorization ?? "",
      ) ?? [];
    const [, id = "", timestamp = "", nonce = "", signature = ""] = header;
    if (id !== RUNNER_ID || this.#publicKey === null) return "No such runner.";
    if (this.#nonces.has(nonce)) return "The nonce was used.";
    this.#nonces.add(nonce);
    const jwk = { kty: "OKP", crv: "Ed25519", x: this.#publicKey };
    const text = signedText(request.method ?? "", request.url ?? "", timestamp, nonce, digest);
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const isValid = verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
    return isValid ? null : "The signature is wrong.";
  }

  #take(value: unknown, peer: Peer): void {
    const frame = fromRunnerSchema.parse(value);
    this.frames.push(frame);
    switch (frame.type) {
      case "hello":
        this.#welcome(frame, peer);
        break;
      case "log":
        this.onLog(frame);
        this.#log(frame, peer);
        break;
      case "complete":
        this.#complete(frame, peer);
        break;
      case "started":
        this.#of(frame);
        break;
      default:
        break;
    }
  }

  #welcome(hello: Frame<"hello">, peer: Peer): void {
    this.#peer = peer;
    this.connections += 1;
    if (this.faults.refusal !== null) {
      peer.send({ type: "refused", ...this.faults.refusal });
      return;
    }
    const resumed = hello.running
      .filter((held) => this.faults.resumes?.(held) ?? true)
      .map((held) => ({ ...held, output: this.#of(held).entries.length }));
    peer.send({
      type: "welcome",
      protocol: this.faults.protocol,
      runner_id: RUNNER_ID,
      pool: "default",
      heartbeat_ms: HEARTBEAT_MS,
      lease_ms: 1_000,
      resumed,
    });
  }

  #log(frame: Frame<"log">, peer: Peer): void {
    if (this.faults.losesLogs > 0) {
      this.faults.losesLogs -= 1;
      return;
    }
    const taken = this.#of(frame);
    const known = taken.entries.length - frame.from;
    if (known < 0) taken.gaps += 1;
    else {
      taken.repeated += Math.min(known, frame.entries.length);
      taken.entries.push(...frame.entries.slice(known));
    }
    if (!this.faults.acknowledgesLogs) return;
    const { attempt, epoch } = frame;
    const output = taken.entries.length;
    const acknowledge = () => peer.send({ type: "log_ack", attempt, epoch, output });
    if (this.faults.acknowledgeAfterMs === 0) acknowledge();
    else setTimeout(acknowledge, this.faults.acknowledgeAfterMs);
  }

  #complete(frame: Frame<"complete">, peer: Peer): void {
    const { attempt, epoch, output, outcome } = frame;
    const taken = this.#of(frame);
    taken.completes += 1;
    if (output !== taken.entries.length) return;
    taken.outcome = outcome;
    if (this.faults.acknowledgesOutcomes) peer.send({ type: "complete_ack", attempt, epoch });
  }

  #of({ attempt, epoch }: { attempt: string; epoch: number }): Taken {
    const known = this.taken.get(attempt);
    if (known?.epoch === epoch) return known;
    const taken = { epoch, entries: [], repeated: 0, gaps: 0, outcome: null, completes: 0 };
    this.taken.set(attempt, taken);
    return taken;
  }
}
