/** The Durable Object of one target: its RPC surface and its alarm. */
import { DurableObject } from "cloudflare:workers";
import { Courier, type CourierPorts } from "./courier.ts";
import { type CourierState, CourierTables, type LoggedEntry, type ParkedRow } from "./tables.ts";
import type { LogEntry } from "./target.ts";

/** How a courier does. Times are ms since 1970. */
export interface CourierStatus extends CourierState {
  /** Messages that wait, those of parked entities included. */
  readonly pending: number;
  /** Entities that are not tried any more. */
  readonly parked: number;
  /** When the oldest message that waits, and is not parked, was written; null for none. */
  readonly oldest_at: number | null;
}

export type Projects = "*" | readonly string[];

export abstract class CourierBase extends DurableObject<Env> {
  /** Made with the first use, so that an object that was forgotten stays empty. */
  #made: CourierTables | null = null;
  readonly #portsOf: (env: Env, name: string) => Promise<CourierPorts | null>;
  #courier: Courier | null = null;

  /** `portsOf` answers null for a target that is not delivered to now. */
  constructor(
    context: DurableObjectState,
    env: Env,
    portsOf: (env: Env, name: string) => Promise<CourierPorts | null>,
  ) {
    super(context, env);
    this.#portsOf = portsOf;
  }

  /** There may be something new for it. */
  async wake(): Promise<void> {
    await (await this.#open())?.wake();
  }

  status(): CourierStatus {
    return { ...this.#tables.state(), ...this.#tables.counts() };
  }

  /** Parked entities of these projects, oldest first, after so many. */
  parked(projects: Projects, after: number, limit: number): readonly ParkedRow[] {
    return this.#tables.parked(projects, after, limit);
  }

  /** Tries parked entities again, all of these projects for null; returns how many. */
  async redrive(projects: Projects, entities: readonly string[] | null): Promise<number> {
    const redriven = this.#tables.redrive(projects, entities);
    if (redriven > 0) await this.wake();
    return redriven;
  }

  /** Deliveries before a number, newest first. */
  deliveries(before: number | null, limit: number): readonly LoggedEntry[] {
    return this.#tables.entries(before, limit);
  }

  /** An entry of the log, with what was sent; null for one that is not there. */
  delivery(number: number): (LoggedEntry & { readonly body: string | null }) | null {
    const [entry] = this.#tables.entries(number + 1, 1);
    if (entry?.number !== number) return null;
    return { ...entry, body: this.#tables.body(number) };
  }

  /** Adds to the log what was sent past the courier; returns its number. */
  note(entry: LogEntry, body: string | null): number {
    return this.#tables.log(entry, body);
  }

  /**
   * Delivers again after it was closed, or its settings were changed; what waits goes first. With
   * `from` it goes on after that position of the outbox, whatever it has not taken of what was before.
   */
  async reopen(from: number | null = null): Promise<void> {
    this.#courier = null;
    const well = { closed: null, failures: 0, failing_since: null, next_try_at: 0 };
    this.#tables.change(from === null ? well : { ...well, cursor: from });
    await this.wake();
  }

  /** Its target is there no more. */
  async forget(): Promise<void> {
    this.#courier = null;
    this.#made = null;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    await (await this.#open())?.round();
  }

  get #tables(): CourierTables {
    this.#made ??= new CourierTables(this.ctx.storage.sql);
    return this.#made;
  }

  async #open(): Promise<Courier | null> {
    if (this.#courier !== null) return this.#courier;
    const { name } = this.ctx.id;
    const ports = name === undefined ? null : await this.#portsOf(this.env, name);
    this.#courier = ports && new Courier(this.ctx.storage, this.#tables, ports);
    return this.#courier;
  }
}
