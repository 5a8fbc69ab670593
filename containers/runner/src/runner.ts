/** The runner: performs what the agent decides, with real processes, files and connections. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  type FromRunner,
  PROTOCOL_VERSION,
  type ToRunner,
} from "../../../workers/executors/runner/protocol.ts";
import { Agent, type Assignment, type Dispatched, type Effect } from "./agent.ts";
import { Attempt } from "./attempt.ts";
import type { Backends } from "./backend.ts";
import { causeOf, FatalError } from "./errors.ts";
import { Link } from "./link.ts";
import { Probes } from "./probes.ts";
import type { ServiceClient } from "./service.ts";
import type { TransportChoice, TransportName } from "./transport/choice.ts";
import type { Transport } from "./transport/connection.ts";

/** Beyond the attempt's time, which the service watches: it may be gone. */
const DEADLINE_MARGIN_MS = 5_000;
/** The longest that a timer of Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const TICK_MS = 500;
/** When it ends, what it still has to say gets this long to be taken. */
const FAREWELL_MS = 2_000;
/** Killing takes this long at most, unless the kernel does not let go. */
const KILL_MS = 10_000;

export interface RunnerSettings {
  readonly url: string;
  readonly version: string;
  /** What to do when the service does not know this runner any more. */
  readonly registerAnew: string;
  readonly labels: readonly string[];
  readonly slots: number;
  readonly maxOutputBytes: number;
  /** Where output is kept. */
  readonly attempts: string;
  readonly backends: Backends;
  readonly service: ServiceClient;
  readonly transports: Readonly<Record<TransportName, Transport>>;
  readonly choice: TransportChoice;
  /** The service has let this runner in. */
  readonly onWelcome: () => void;
  readonly say: (line: string) => void;
}

const dispatchedSchema = z.object({
  type: z.literal("assign"),
  attempt: z.string().min(1).max(200),
  epoch: z.int().positive(),
});

export class Runner {
  readonly #settings: RunnerSettings;
  readonly #bootId = randomUUID();
  readonly #attempts = new Map<string, Attempt>();
  /** Executors that have not ended, wanted or not. */
  readonly #executing = new Set<Promise<void>>();
  readonly #agent: Agent;
  readonly #link: Link;
  readonly #probes: Probes;
  #fail: (error: FatalError) => void = () => {};
  #wake: (() => void) | null = null;

  constructor(settings: RunnerSettings) {
    this.#settings = settings;
    this.#probes = new Probes(settings.backends, () => this.#link.beat());
    this.#agent = new Agent({
      slots: settings.slots,
      unavailable: (type) => this.#probes.problem(type),
      outputOf: (key) => this.#attempts.get(key)?.output ?? 0,
    });
    this.#link = new Link(settings, {
      hello: () => this.#hello(),
      heartbeat: () => this.#heartbeat(),
      frame: (frame) => this.#receive(frame),
      invalid: (value, what) => this.#invalid(value, what),
      isBusy: () => this.#agent.size > 0,
      say: settings.say,
    });
  }

  /** Runs until `drain` or `kill` has ended it; rejects with FatalError. */
  async run(): Promise<void> {
    await this.#probes.start();
    const ticking = setInterval(() => {
      for (const attempt of this.#attempts.values()) attempt.tick();
    }, TICK_MS);
    const failing = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    try {
      await Promise.race([this.#link.run(), failing]);
    } catch (error) {
      await this.#killAll();
      throw error;
    } finally {
      clearInterval(ticking);
      this.#probes.stop();
      this.#link.stop();
    }
  }

  /** Takes nothing new, lets attempts end for up to `ms`, gives the rest up, and ends `run`. */
  async drain(ms: number): Promise<void> {
    this.#agent.drain();
    this.#link.beat();
    await this.#emptied(ms);
    if (this.#agent.running > 0) {
      this.#settings.say(`gives up ${this.#agent.running} attempts, to be done elsewhere`);
      this.#perform(this.#agent.dropRunning());
      await this.#stopped();
      // The service learns of it by what this does not name.
      this.#link.beat();
      await this.#emptied(FAREWELL_MS);
    }
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FAREWELL_MS);
    await Promise.race([this.#link.leave(), late]);
    clearTimeout(timer);
    this.#link.stop();
  }

  /** Resolves when nothing is under way, or after `ms`. */
  async #emptied(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = () => {
      if (this.#agent.size === 0) resolve();
    };
    this.#wake();
    await promise;
    clearTimeout(timer);
    this.#wake = null;
  }

  async #killAll(): Promise<void> {
    this.#perform(this.#agent.dropAll());
    await this.#stopped();
  }

  async #stopped(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, KILL_MS);
    await Promise.race([Promise.all(this.#executing), late]);
    clearTimeout(timer);
  }

  #hello(): FromRunner {
    const { version, labels, slots } = this.#settings;
    return {
      type: "hello",
      protocol: PROTOCOL_VERSION,
      version,
      boot_id: this.#bootId,
      labels: [...labels],
      ...this.#probes.report(),
      slots,
      running: this.#agent.held(),
    };
  }

  #heartbeat(): FromRunner {
    const draining = this.#agent.isDraining;
    return { type: "heartbeat", running: this.#agent.held(), ...this.#probes.report(), draining };
  }

  #receive(frame: ToRunner): void {
    this.#perform(this.#agent.receive(frame));
    if (frame.type === "refused") {
      const hint = frame.code === "revoked" ? ` ${this.#settings.registerAnew}` : "";
      const why = `The service ends this runner (${frame.code}): ${frame.message}${hint}`;
      this.#fail(new FatalError(why));
    }
    if (frame.type !== "welcome") return;
    if (frame.protocol !== PROTOCOL_VERSION) {
      this.#fail(
        new FatalError(
          `The service speaks version ${frame.protocol} of the runner's protocol, this runner version ${PROTOCOL_VERSION}. Install the version of the runner that belongs to the service.`,
        ),
      );
      return;
    }
    this.#settings.onWelcome();
    if (this.#agent.isDraining) this.#link.beat();
  }

  /** An assignment that cannot be read goes elsewhere, to a runner of another version perhaps. */
  #invalid(value: unknown, what: string): void {
    this.#settings.say(`the service sent what this runner does not understand: ${what}`);
    const assigned = dispatchedSchema.safeParse(value);
    if (!assigned.success) return;
    const { attempt, epoch } = assigned.data;
    const reason = `The runner does not understand the assignment: ${what}`.slice(0, 2_000);
    this.#link.send({ type: "rejected", attempt, epoch, reason });
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(effect);
    this.#wake?.();
  }

  #performOne(effect: Effect): void {
    if (effect.type === "send") {
      this.#link.send(effect.frame);
      return;
    }
    if (effect.type === "start") {
      this.#start(effect.key, effect.assignment);
      return;
    }
    const attempt = this.#attempts.get(effect.key);
    switch (effect.type) {
      case "stop":
        attempt?.stop(effect.reason, effect.graceMs);
        break;
      case "resume":
        attempt?.resume(effect.output);
        break;
      case "acknowledge":
        attempt?.acknowledge(effect.output);
        break;
      case "drop":
        attempt?.drop();
        this.#attempts.delete(effect.key);
        break;
      case "settle":
        attempt?.settle();
        this.#attempts.delete(effect.key);
        break;
    }
  }

  #start(key: string, assignment: Assignment): void {
    const backend = this.#settings.backends[assignment.work.task_type];
    // The agent rejects what no backend is there for.
    if (backend === undefined) return;
    let attempt: Attempt;
    try {
      attempt = new Attempt({
        assignment,
        backend,
        service: this.#settings.service,
        folder: this.#settings.attempts,
        maxOutputBytes: this.#settings.maxOutputBytes,
        isConnected: () => this.#link.isOpen,
        send: (frame) => this.#link.send(frame),
        onFenced: () => this.#perform(this.#agent.fence(key)),
      });
    } catch (error) {
      this.#reject(key, assignment, `The runner cannot keep its output: ${causeOf(error)}`);
      return;
    }
    this.#attempts.set(key, attempt);
    const executing = this.#execute(key, attempt, assignment.timeout_ms);
    this.#executing.add(executing);
    void executing.finally(() => this.#executing.delete(executing));
  }

  /** Of what the agent has taken. */
  #reject(key: string, { attempt, epoch }: Dispatched, why: string): void {
    this.#settings.say(why);
    this.#perform(this.#agent.fence(key));
    this.#link.send({ type: "rejected", attempt, epoch, reason: why.slice(0, 2_000) });
  }

  async #execute(key: string, attempt: Attempt, timeoutMs: number): Promise<void> {
    const deadline = setTimeout(
      () => this.#perform(this.#agent.expire(key)),
      Math.min(MAX_TIMER_MS, timeoutMs + DEADLINE_MARGIN_MS),
    );
    await attempt.run();
    clearTimeout(deadline);
    if (this.#agent.ended(key)) attempt.report();
    this.#wake?.();
  }
}
