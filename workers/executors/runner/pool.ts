/**
 * The Durable Object of one pool of runners: RPC surface, sockets and alarm. What is behind it
 * decides and stores. A dispatch that was taken is on the disk; nothing is sent before it is.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import {
  type AttemptBackend,
  attemptKey,
  type DetachedRef,
  type Dispatch,
  type OfferAnswer,
  type Waiting,
} from "../detached.ts";
import type { StopReason, TaskType } from "../port.ts";
import { Assigner } from "./assigner.ts";
import { Census } from "./census.ts";
import { CLOSE_REFUSED, Connections } from "./connections.ts";
import { Conversation, parseJson } from "./conversation.ts";
import { Dispatches, MAX_QUEUED } from "./dispatches.ts";
import { Failover } from "./failover.ts";
import { afterRestart } from "./leases.ts";
import { type Demand, fits, whyNotShared } from "./matching.ts";
import { type ArtifactPlace, type AttemptName, type KeptFile, PoolFiles } from "./pool-files.ts";
import { PoolStore } from "./pool-store.ts";
import {
  type Admission,
  type PoolAttempt,
  type PoolOwner,
  type PoolPorts,
  REVOKED,
  type RunnerStatus,
  type SharedPool,
} from "./pool-types.ts";
import { backendNameOf, isOwnPool, projectOfPool } from "./pools.ts";
import { CLOSE_ENDED, exchangeRequestSchema, LEASE_MS } from "./protocol.ts";
import { Reporter } from "./reporter.ts";
import { Returns } from "./returns.ts";
import { Roster } from "./roster.ts";
import { readSignature } from "./signature.ts";

export type ExchangeAnswer =
  /** JSON of a list of frames. */
  | { readonly status: "frames"; readonly frames: string }
  /** A session that the object does not know has to begin with a hello. */
  | { readonly status: "unknown" }
  /** The body is no exchange. */
  | { readonly status: "invalid"; readonly message: string };

const helloSchema = z.looseObject({ type: z.literal("hello") });

function inNameOf(by: string, owner: ReturnType<PoolPorts["owner"]>): PoolOwner {
  return {
    claimAttempt: (ref, type) => owner.claimAttempt(ref, by, type),
    attemptUnavailable: (ref, type) => owner.attemptUnavailable(ref, type, by),
    attemptReturned: (ref, type) => owner.attemptReturned(ref, type, by),
    reportAttempt: (ref, reports) => owner.reportAttempt(ref, reports),
    artifactPlace: (ref, path) => owner.artifactPlace(ref, path),
  };
}

export abstract class RunnerPoolBase extends DurableObject<Env> implements AttemptBackend {
  readonly #leaseMs: number;
  readonly #store: PoolStore;
  readonly #connections: Connections;
  readonly #roster: Roster;
  readonly #reporter: Reporter;
  readonly #assigner: Assigner;
  readonly #dispatches: Dispatches;
  readonly #failover: Failover;
  readonly #returns: Returns;
  readonly #conversation: Conversation;
  readonly #files: PoolFiles;
  readonly #isOwn: boolean;
  readonly #census: Census;
  readonly #sharedPool: SharedPool;
  #armedAt: number | null = null;
  #isOpen = false;

  constructor(context: DurableObjectState, env: Env, ports: PoolPorts) {
    super(context, env);
    const leaseMs = ports.lease_ms ?? LEASE_MS;
    const store = new PoolStore(context.storage.sql);
    const connections = new Connections(context, leaseMs);
    const roster = new Roster(store, connections);
    const pool = context.id.name ?? "unnamed";
    const owner = ({ placement, resource_id }: Pick<Dispatch, "placement" | "resource_id">) =>
      inNameOf(backendNameOf(pool), ports.owner(env, placement, resource_id));
    const arm = () => this.#arm();
    this.#reporter = new Reporter({
      owner,
      told: (row, output, isStartedTold, isAcknowledged) => {
        const { attempt, epoch, runner_id } = row;
        store.setTold(attempt, output, isStartedTold);
        if (!isAcknowledged || runner_id === null) return;
        connections.of(runner_id)?.send({ type: "log_ack", attempt, epoch, output });
      },
      finished: (row, final, isCompleted) => this.#dispatches.finished(row, final, isCompleted),
      fenced: (row) => this.#dispatches.fenced(row),
    });
    this.#assigner = new Assigner(store, connections, {
      owner,
      secrets: ports.secrets(env),
      leaseMs,
      candidates: () => roster.candidates(),
      end: (row, final) => this.#dispatches.end(row, final),
      forget: (row) => this.#dispatches.forget(row),
      arm,
    });
    const shared = {
      ...{ store, roster, connections, reporter: this.#reporter, assigner: this.#assigner },
      pool,
      arm,
    };
    const maxQueued = ports.max_queued ?? MAX_QUEUED;
    const offerings = () => roster.offerings();
    const failover = new Failover({ store, pool, leaseMs, offerings });
    const isOwn = isOwnPool(pool);
    const forget = (row: PoolAttempt) => this.#dispatches.forget(row);
    const returns = new Returns({ store, roster, isOwn, owner, forget, arm });
    this.#dispatches = new Dispatches({ ...shared, owner, maxQueued, failover, returns });
    this.#returns = returns;
    this.#failover = failover;
    this.#conversation = new Conversation({
      ...shared,
      dispatches: this.#dispatches,
      returns,
      leaseMs,
    });
    this.#files = new PoolFiles({ store, owner, fenced: (row) => this.#dispatches.fenced(row) });
    this.#isOwn = isOwn;
    this.#census = new Census({
      ...{ store, roster },
      projectId: projectOfPool(pool),
      publish: (figures) => ports.publish(env, pool, figures),
    });
    this.#sharedPool = ports.sharedPool(env);
    this.#leaseMs = leaseMs;
    this.#store = store;
    this.#connections = connections;
    this.#roster = roster;
  }

  async offer(dispatch: Dispatch): Promise<OfferAnswer> {
    this.#open();
    return this.#dispatches.offer(dispatch);
  }

  async stop(ref: DetachedRef, reason: StopReason): Promise<{ status: "stopping" | "unknown" }> {
    this.#open();
    return this.#dispatches.stop(ref, reason);
  }

  async waiting(ref: DetachedRef): Promise<Waiting | null> {
    this.#open();
    const waiting = this.#dispatches.waiting(ref);
    const row = this.#store.find(attemptKey(ref));
    if (waiting === null || row === null || !this.#isOwn) return waiting;
    const { task_type, runs_on } = row;
    const isPassedOver = await this.#sharedPool.couldRun({ task_type, runs_on }).catch(() => false);
    if (!isPassedOver) return waiting;
    return { ...waiting, reason: `${waiting.reason} ${whyNotShared(task_type)}` };
  }

  /** Whether a connected runner of this pool could carry it out, were a slot free. */
  couldRun(demand: Demand): boolean {
    return this.#roster.offerings().some((runner) => fits(runner, demand));
  }

  /** Whether a runner of this pool, connected or not, is meant for the type. */
  fits(type: TaskType): boolean {
    return this.#roster.fits(type);
  }

  /** Makes a registered runner known before it connects. */
  enroll(runnerId: string, name: string): void {
    this.#roster.enroll(runnerId, name);
  }

  /** Sends a runner away for good; nobody waits for what it had. */
  revoke(runnerId: string): void {
    this.#open();
    this.#roster.revoke(runnerId);
    this.#connections.tellAll(runnerId, REVOKED);
    this.#connections.closeOthers(runnerId, null, CLOSE_REFUSED, REVOKED.code);
    this.#dispatches.leave(runnerId);
    this.#returns.begin(Date.now());
  }

  /** Those of the runners that the pool knows. */
  status(runnerIds: readonly string[]): RunnerStatus[] {
    return this.#roster.status(runnerIds);
  }

  /** Lets a signed request in once, unless its runner is revoked. */
  admit(runnerId: string, nonce: string, expiresAt: number): Admission {
    if (this.#roster.find(runnerId)?.is_revoked === true) return "revoked";
    return this.#store.useNonce(runnerId, nonce, expiresAt, Date.now()) ? "admitted" : "replayed";
  }

  /** The long-poll: hears the frames of a body, and answers with those for the runner. */
  async exchange(runnerId: string, body: Uint8Array): Promise<ExchangeAnswer> {
    this.#open();
    const exchange = exchangeRequestSchema.safeParse(parseJson(new TextDecoder().decode(body)));
    if (!exchange.success) {
      return { status: "invalid", message: exchange.error.issues[0]?.message ?? "" };
    }
    const { session: name, frames, wait_ms, ends } = exchange.data;
    const known = this.#connections.session(runnerId, name);
    if (known === null && !helloSchema.safeParse(frames[0]).success) return { status: "unknown" };
    const session = known ?? this.#connections.begin(runnerId, name);
    for (const frame of frames) await this.#conversation.hearValue(session, frame);
    if (ends === true) this.#conversation.leave(session);
    return { status: "frames", frames: JSON.stringify(await session.take(wait_ms)) };
  }

  mayRead(name: AttemptName, key: string): "allowed" | "fenced" | "foreign" {
    return this.#files.mayRead(name, key);
  }

  async placeArtifact(name: AttemptName, path: string, bytes: number): Promise<ArtifactPlace> {
    return this.#files.place(name, path, bytes);
  }

  async keepArtifact(name: AttemptName, file: KeptFile): Promise<"accepted" | "fenced"> {
    return this.#files.kept(name, file);
  }

  /** A runner's WebSocket; its signature has been verified and its nonce used by `admit`. */
  override async fetch(request: Request): Promise<Response> {
    this.#open();
    const signature = readSignature(request.headers.get("authorization"));
    if (signature === null) return new Response("unsigned", { status: 401 });
    if (this.#roster.find(signature.runner_id)?.is_revoked === true) {
      return new Response("revoked", { status: 403 });
    }
    return this.#connections.accept(signature.runner_id);
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    this.#open();
    const connection = this.#connections.ofSocket(socket);
    const text = typeof message === "string" ? message : new TextDecoder().decode(message);
    if (connection === null) socket.close(CLOSE_REFUSED, "unknown");
    else await this.#conversation.hearText(connection, text);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#open();
    const connection = this.#connections.ofSocket(socket);
    if (code === CLOSE_ENDED && connection !== null) this.#conversation.leave(connection);
    this.#release(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#release(socket);
  }

  #release(socket: WebSocket): void {
    this.#open();
    this.#connections.release(socket);
    this.#arm();
  }

  override async alarm(): Promise<void> {
    this.#armedAt = null;
    this.#open();
    const now = Date.now();
    for (const row of this.#store.expired(now)) {
      // Its runner has said all there is: what it waits for is the owner, or its secrets.
      const isOurs = this.#assigner.isPreparing(row) || this.#reporter.isWhole(row);
      if (isOurs) this.#store.setLease(row.attempt, { ...row, lease_until: now + this.#leaseMs });
      else this.#dispatches.lose(row);
    }
    this.#store.purge(now);
    this.#dispatches.failOver(now);
    this.#returns.begin(now);
    this.#dispatches.tellEnding();
    this.#assigner.assign();
    this.#arm();
  }

  /** Once in the life of this instance, before anything else: runners get time to come back. */
  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const now = Date.now();
    for (const row of this.#store.active()) {
      const isConnected = row.runner_id !== null && this.#connections.of(row.runner_id) !== null;
      const lease = afterRestart(row, isConnected, now, this.#leaseMs);
      if (lease !== null) this.#store.setLease(row.attempt, lease);
    }
    this.#dispatches.tellEnding();
    this.#returns.begin(now);
    this.#arm();
  }

  /** Sets the alarm for what is due next, unless it comes earlier anyway. */
  #arm(): void {
    this.#census.note();
    const now = Date.now();
    const times = [
      this.#store.nextLease(),
      this.#store.ending().length > 0 ? now + this.#leaseMs : null,
      this.#assigner.nextTry(),
      this.#failover.next(now),
      this.#returns.nextTry(now),
    ].filter((at) => at !== null);
    if (times.length === 0) return;
    const at = Math.max(now + 1, Math.min(...times));
    if (this.#armedAt !== null && this.#armedAt <= at) return;
    this.#armedAt = at;
    void this.ctx.storage.setAlarm(at);
  }
}
