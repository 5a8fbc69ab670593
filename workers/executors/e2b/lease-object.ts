/** The object that has the sandbox which steps of one run share; see `lease.ts`. */
import { DurableObject } from "cloudflare:workers";
import { logWarning } from "../../http/log.ts";
import type { Usage } from "../detached.ts";
import { messageOf } from "../message.ts";
import { RENEW_MS, slotWaitMs } from "./drive.ts";
import { leaseLabels } from "./labels.ts";
import {
  answerOf,
  billed,
  failedWith,
  isSettled,
  type JoinAnswer,
  joined,
  killedSandbox,
  type Lease,
  type LeaseAsk,
  type LeaseStep,
  leaseAskSchema,
  leaseKey,
  leaseSchema,
  leaseWakeAt,
  left,
  lostSandbox,
  madeSandbox,
  newLease,
  nextStep,
  overSince,
  restartedLease,
  type SandboxLeases,
  settledWith,
} from "./lease.ts";
import type { RemotePorts } from "./ports.ts";
import {
  CreateRefused,
  CreateRejected,
  type SandboxService,
  SandboxUnreachable,
} from "./sandbox.ts";
import { usageOf } from "./usage.ts";

const STATE = "lease";
/** Above what a create may take, during which nothing renews it. */
const SLOT_LEASE_MS = 120_000;

const isPowerOfTwo = (count: number) => count > 0 && (count & (count - 1)) === 0;

export class SandboxLeaseBase extends DurableObject<Env> implements SandboxLeases {
  readonly #ports: RemotePorts;
  #lease: Lease | null;
  #isBusy = false;

  constructor(context: DurableObjectState, env: Env, ports: RemotePorts) {
    super(context, env);
    this.#ports = ports;
    const stored = context.storage.kv.get(STATE);
    this.#lease =
      stored === undefined ? null : restartedLease(leaseSchema.parse(stored), Date.now());
  }

  /** See `SandboxLeases`. */
  async join(member: string, ask: LeaseAsk, sandboxId: string | null): Promise<JoinAnswer> {
    const { service, unavailable } = this.#ports;
    if (service === null) {
      const message = unavailable ?? "There are no sandboxes.";
      return { status: "refused", code: "executor_unavailable", message };
    }
    // It was away for so long that it was given up, and what it was in with it.
    if (this.#lease === null && sandboxId !== null) return { status: "gone" };
    const asked = leaseAskSchema.parse(ask);
    const joining = { member, ask: asked, sandbox_id: sandboxId };
    const lease = joined(this.#lease ?? newLease(asked), joining, Date.now());
    this.#commit(lease);
    this.#advance();
    return answerOf(this.#lease ?? lease, sandboxId);
  }

  /** See `SandboxLeases`. */
  async bill(member: string): Promise<number | null> {
    if (this.#lease === null) return null;
    const lease = billed(this.#lease, member, Date.now());
    this.#commit(lease);
    this.#advance();
    return lease.parts[member]?.ms ?? null;
  }

  /** See `SandboxLeases`. */
  async over(): Promise<void> {
    if (this.#lease === null) return;
    this.#commit(overSince(this.#lease, Date.now()));
    this.#advance();
  }

  /** See `SandboxLeases`. */
  async leave(member: string): Promise<void> {
    if (this.#lease === null) return;
    this.#commit(left(this.#lease, member, Date.now()));
    this.#advance();
  }

  /** See `SandboxLeases`. */
  async gone(sandboxId: string): Promise<void> {
    const { service } = this.#ports;
    if (this.#lease?.sandbox_id !== sandboxId || service === null) return;
    if (await service.exists(sandboxId)) return;
    if (this.#lease?.sandbox_id !== sandboxId) return;
    await this.#account(this.#lease);
    if (this.#lease?.sandbox_id !== sandboxId) return;
    this.#spent(this.#lease);
    this.#commit(lostSandbox(this.#lease, Date.now()));
    this.#advance();
  }

  /** See `SandboxLeases`. */
  async holds(sandboxId: string): Promise<boolean> {
    const lease = this.#lease;
    return lease !== null && (lease.sandbox_id === sandboxId || lease.create !== "idle");
  }

  override async alarm(): Promise<void> {
    this.#advance();
  }

  #commit(lease: Lease): void {
    this.#arm(lease);
    this.ctx.storage.kv.put(STATE, lease);
    this.#lease = lease;
  }

  #arm(lease: Lease): void {
    // An alarm that is set to parts of a millisecond fires before them, and then not again.
    const at = Math.ceil(leaseWakeAt(lease, this.#ports.shared_idle_ms, Date.now()));
    this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
  }

  #advance(): void {
    if (this.#lease === null || this.#isBusy) return;
    const { service, shared_idle_ms: idle_ms } = this.#ports;
    const step = nextStep(this.#lease, { idle_ms, isReachable: service !== null }, Date.now());
    if (step !== null) this.ctx.waitUntil(this.#perform(step));
    else this.#arm(this.#lease);
  }

  async #perform(step: LeaseStep): Promise<void> {
    this.#isBusy = true;
    try {
      await this.#do(step);
    } catch (error) {
      this.#failed(step, error);
    } finally {
      this.#isBusy = false;
    }
    this.#advance();
  }

  #do(step: LeaseStep): Promise<void> {
    switch (step) {
      case "take_slot":
        return this.#takeSlot();
      case "create":
        return this.#create();
      case "find":
        return this.#find();
      case "kill":
        return this.#kill();
      case "release_slot":
        return this.#releaseSlot();
      case "forget":
        return this.#forget();
    }
  }

  #failed(step: LeaseStep, error: unknown): void {
    const isRefusal = error instanceof CreateRefused;
    this.#tryLater(
      messageOf(error),
      isRefusal ? error.isDown : error instanceof SandboxUnreachable,
    );
    const lease = this.#lease;
    if (lease === null || !isPowerOfTwo(lease.failures)) return;
    const { ask, failures } = lease;
    const fields = { step, failures, resource_id: ask.resource_id, run: ask.run };
    logWarning("sandbox_lease_failed", messageOf(error), fields);
  }

  #tryLater(trouble: string, isDown: boolean): void {
    if (this.#lease !== null) this.#commit(failedWith(this.#lease, trouble, isDown, Date.now()));
  }

  /** Without forgetting how often it has failed already. */
  #keepTrying(change: Partial<Lease>): void {
    if (this.#lease !== null) this.#commit({ ...this.#lease, ...change });
  }

  /** Applies to the newest state, which calls may have changed meanwhile. */
  #settle(change: Partial<Lease>): void {
    if (this.#lease !== null) this.#commit(settledWith(this.#lease, change));
  }

  get #service(): SandboxService {
    const { service, unavailable } = this.#ports;
    if (service === null) throw new Error(unavailable ?? "There are no sandboxes");
    return service;
  }

  get #ask(): LeaseAsk {
    if (this.#lease === null) throw new Error("Nobody asked for a sandbox");
    return this.#lease.ask;
  }

  async #takeSlot(): Promise<void> {
    const holder = leaseKey(this.#ask);
    const { limits } = this.#ports;
    const position = await limits.acquire(holder, this.#ask.priority, SLOT_LEASE_MS);
    const now = Date.now();
    if (position === 0) {
      this.#settle({ slot: "held", position: null, renew_at: now + RENEW_MS });
    } else this.#settle({ position, retry_at: now + slotWaitMs(position, Math.random()) });
  }

  async #create(): Promise<void> {
    const ask = this.#ask;
    const retryAt = await this.#ports.limits.takeToken();
    if (retryAt !== null) {
      this.#settle({ retry_at: retryAt });
      return;
    }
    this.#settle({ create: "asked" });
    try {
      const { template, allow, ttl_ms } = ask;
      const labels = leaseLabels(leaseKey(ask), ask.project_id, this.#ports.deployment);
      const { id } = await this.#service.create({ template, allow, ttl_ms, labels });
      this.#made(id, Date.now());
    } catch (error) {
      if (error instanceof CreateRejected) {
        const { code, message } = error;
        this.#settle({ create: "idle", refusal: { code, message } });
      } else if (error instanceof CreateRefused) {
        this.#keepTrying({ create: "idle" });
        throw error;
      } else {
        this.#keepTrying({ create: "unclear", unclear_since: Date.now() });
        throw error;
      }
    }
  }

  #made(id: string, since: number): void {
    if (this.#lease !== null) this.#commit(madeSandbox(this.#lease, id, since));
  }

  async #find(): Promise<void> {
    const [found] = await this.#listed();
    if (found !== undefined) {
      this.#made(found.id, found.started_at);
    } else if (this.#lease !== null && isSettled(this.#lease, Date.now())) {
      this.#settle({ create: "idle" });
    } else this.#tryLater("nobody knows yet whether E2B created the sandbox", false);
  }

  async #listed() {
    const { project_id } = this.#ask;
    const labels = leaseLabels(leaseKey(this.#ask), project_id, this.#ports.deployment);
    const found = [];
    for await (const page of this.#service.list(labels)) found.push(...page);
    return found;
  }

  async #kill(): Promise<void> {
    const id = this.#lease?.sandbox_id;
    if (typeof id !== "string") return;
    // Nobody is to join what is about to end: whoever comes now gets the next one.
    this.#settle({ is_ending: true });
    await this.#service.kill(id);
    for (const other of await this.#listed()) await this.#service.kill(other.id);
    if (this.#lease?.sandbox_id === id) await this.#account(this.#lease);
    if (this.#lease === null) return;
    this.#spent(this.#lease);
    this.#commit(settledWith(killedSandbox(this.#lease, Date.now()), {}));
  }

  async #releaseSlot(): Promise<void> {
    await this.#ports.limits.release(leaseKey(this.#ask));
    this.#settle({ slot: "none", position: null });
  }

  async #forget(): Promise<void> {
    this.#lease = null;
    await this.ctx.storage.deleteAll();
  }

  #spent(lease: Lease): void {
    const { resource_id, run } = lease.ask;
    this.#ports.spent({ resource_id, run, step: null, epoch: null }, this.#usageOf(lease));
  }

  /** Before the sandbox is forgotten, so that one that was not billed is ended again. */
  async #account(lease: Lease): Promise<void> {
    const { ask, sandbox_since } = lease;
    const id = `${leaseKey(ask)}/${sandbox_since}`;
    await this.#ports.bill({ id, project_id: ask.project_id, ...this.#usageOf(lease) });
  }

  #usageOf({ sandbox_since }: Lease): Usage {
    return usageOf(Date.now() - sandbox_since, this.#ports.usd_per_hour);
  }
}
