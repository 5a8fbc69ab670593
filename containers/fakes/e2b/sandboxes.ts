/** The sandboxes of one account, and the limits on having them. */
import { createHash, randomInt } from "node:crypto";
import { join } from "node:path";
import type { OpenIsolation } from "./isolation.ts";
import { Sandbox, type SandboxSpec } from "./sandbox.ts";
import { makeOwnFolders } from "./sandbox-paths.ts";

export interface Limits {
  /** Sandboxes that may run at once. */
  readonly maxConcurrent: number;
  /** Creates allowed a second, as many at once after a quiet second. */
  readonly createsPerSecond: number;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_RANDOM_CHARACTERS = 20;

/** An id of the service's form: `i` and 20 letters or digits. */
function newSandboxId(): string {
  const pick = () => ALPHABET[randomInt(ALPHABET.length)];
  return `i${Array.from({ length: ID_RANDOM_CHARACTERS }, pick).join("")}`;
}

/** The id that a template's name stands for, the same every time. */
export function templateId(name: string): string {
  const digest = createHash("sha256").update(name).digest();
  return [...digest.subarray(0, 20)].map((byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

/** Admits a number a second, by a bucket that holds one second's worth. */
class Rate {
  readonly #perSecond: number;
  #tokens: number;
  #atMs = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = Math.max(1, perSecond);
  }

  /** Null when admitted, else the whole seconds to wait. */
  admit(): number | null {
    if (!Number.isFinite(this.#perSecond)) return null;
    const nowMs = performance.now();
    const gained = ((nowMs - this.#atMs) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(Math.max(1, this.#perSecond), this.#tokens + gained);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return Math.max(1, Math.ceil((1 - this.#tokens) / this.#perSecond));
    this.#tokens -= 1;
    return null;
  }
}

export type Admission =
  | { readonly kind: "created"; readonly sandbox: Sandbox }
  | { readonly kind: "rate"; readonly retryAfterSeconds: number }
  | { readonly kind: "concurrency" };

export class Sandboxes {
  readonly limits: Limits;
  readonly #folder: string;
  readonly #open: OpenIsolation;
  readonly #rate: Rate;
  readonly #byId = new Map<string, Sandbox>();
  readonly #starting = new Set<Promise<Sandbox>>();
  readonly #closing = new Set<Promise<void>>();

  constructor(folder: string, open: OpenIsolation, limits: Limits) {
    this.#folder = folder;
    this.#open = open;
    this.limits = limits;
    this.#rate = new Rate(limits.createsPerSecond);
  }

  get(id: string): Sandbox | undefined {
    return this.#byId.get(id);
  }

  all(): readonly Sandbox[] {
    return [...this.#byId.values()];
  }

  async create(spec: SandboxSpec): Promise<Admission> {
    const retryAfterSeconds = this.#rate.admit();
    if (retryAfterSeconds !== null) return { kind: "rate", retryAfterSeconds };
    const running = this.all().filter(({ state }) => state === "running").length;
    if (running + this.#starting.size >= this.limits.maxConcurrent) return { kind: "concurrency" };
    const starting = this.#start(spec);
    this.#starting.add(starting);
    const sandbox = await starting.finally(() => this.#starting.delete(starting));
    return { kind: "created", sandbox };
  }

  async #start(spec: SandboxSpec): Promise<Sandbox> {
    const id = newSandboxId();
    const place = { id, root: join(this.#folder, id) };
    await makeOwnFolders(place.root);
    const isolation = await this.#open(place);
    const sandbox = new Sandbox(place, spec, isolation, () => void this.#expire(sandbox));
    this.#byId.set(id, sandbox);
    return sandbox;
  }

  async #expire(sandbox: Sandbox): Promise<void> {
    const { onTimeout } = sandbox.spec;
    if (onTimeout === "kill") await this.kill(sandbox.id);
    else await sandbox.pause(onTimeout === "pause");
  }

  /** Resolves, once nothing is left of it, with whether there was one. */
  async kill(id: string): Promise<boolean> {
    const sandbox = this.#byId.get(id);
    if (!sandbox) return false;
    this.#byId.delete(id);
    const closing = sandbox.close();
    this.#closing.add(closing);
    await closing.finally(() => this.#closing.delete(closing));
    return true;
  }

  /** Kills all, those that are being made included. */
  async killAll(): Promise<void> {
    await Promise.allSettled(this.#starting);
    await Promise.all(this.all().map(({ id }) => this.kill(id)));
    await Promise.all(this.#closing);
  }
}
