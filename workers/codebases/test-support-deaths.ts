/**
 * For tests of what a death leaves of an ingest: an index and Workers that die at any one of the steps
 * that are to last. The queue and the clock are the test's, so that nothing happens but by its turns.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { CodebaseIndex } from "../codebase-index.ts";
import { type IndexJob, jobSchema } from "./index/intake/jobs.ts";

/**
 * Who dies: both sides before the step, where `lossy` is a death that takes the queue along; the index
 * alone, before the step, or once it is done and before anything of it is heard; the Worker alone.
 */
export const VICTIMS = ["all", "all-lossy", "index-before", "index-after", "worker"] as const;
export type Victim = (typeof VICTIMS)[number];

/** At step `at` of those that follow, and once more `again` steps after, unless that is null. */
export interface Death {
  readonly at: number;
  readonly victim: Victim;
  readonly again: number | null;
}

const WRITES = /^\s*(insert|update|delete|replace|create)\b/i;
const DURABLE = new Set(["put", "delete", "sendBatch"]);
/** An alarm that is set fires by the test alone: its time is this far away. */
const AHEAD_MS = 3_600_000;

class Died extends Error {}

/** The deaths of one ingest, and what outlives them: the messages of the queue, and the time. */
export class Fate {
  readonly codebaseId: string;
  readonly queue: IndexJob[] = [];
  /** Steps so far, by what they were. */
  readonly steps: string[] = [];
  /** How often somebody died. */
  deaths = 0;
  /** What fails the index from now on, and how often. */
  refusal = { name: "", times: 0 };
  #next: number | null = null;
  #again: number | null = null;
  #victim: Victim = "all";
  #workers = 0;
  #isOver = false;
  #index: IndexLife | null = null;
  readonly #abandoned: ((reason: Died) => void)[] = [];

  constructor(codebaseId: string) {
    this.codebaseId = codebaseId;
    fates.set(codebaseId, this);
  }

  /** Counts steps from now on; somebody dies at one of them, unless it is null. */
  begin(death: Death | null): void {
    this.steps.length = 0;
    this.deaths = 0;
    this.#next = death?.at ?? null;
    this.#again = death?.again ?? null;
    this.#victim = death?.victim ?? "all";
  }

  /** Nobody who hangs is left behind. */
  end(): void {
    this.#isOver = true;
    for (const abandon of this.#abandoned) abandon(new Died("The test is over."));
    fates.delete(this.codebaseId);
  }

  /** Settles when `work` does, or its Worker dies. What nobody's death explains is an error. */
  async outcome(work: Promise<unknown>): Promise<"done" | "failed" | "died"> {
    const done = work.then(
      () => "done" as const,
      (error: unknown) => {
        if (this.deaths === 0) throw error;
        return "failed" as const;
      },
    );
    let isSettled = false;
    const settled = done.finally(() => {
      isSettled = true;
    });
    const life = this.#workers;
    const death = async () => {
      // What happens in an object is no promise's end here.
      while (!isSettled && life === this.#workers) await scheduler.wait(1);
      return "died" as const;
    };
    const outcome = await Promise.race([settled, death()]);
    return isSettled ? settled : outcome;
  }

  /** A Worker that lives until it is told to die. */
  worker(network: (request: Request) => Response): Env {
    const life = this.#workers;
    const perform = async (name: string, call: () => unknown): Promise<unknown> => {
      await this.#alive(life);
      const dies = DURABLE.has(name) ? this.#step(`worker ${name}`) : null;
      if (dies !== null && dies !== "worker") await this.#index?.abort();
      await this.#alive(life);
      return this.#heard(life, call);
    };
    const indexes = around(env.MORTAL_INDEX, (name, call) => {
      const found = call();
      if (name !== "getByName" || !isObject(found)) return found;
      return around(found, async (_, send) => {
        await this.#alive(life);
        const value = await this.#heard(life, send);
        if (!(await this.killDoomed())) return value;
        throw new Died("The index died before its answer was heard.");
      });
    });
    return {
      ...env,
      CODEBASE_INDEX: indexes,
      BLOBS: around(env.BLOBS, perform),
      DB: writing(env.DB, (call) => perform("put", call)),
      EGRESS_NETWORK: around(env.RECORDER, async (_, __, request) =>
        network(request instanceof Request ? request : new Request(String(request))),
      ),
    };
  }

  /** One more step: null when nobody dies at it, else who does. */
  #step(name: string): Victim | null {
    this.steps.push(name);
    if (this.#next === null || this.steps.length < this.#next) return null;
    this.#next = this.#again === null ? null : this.steps.length + this.#again;
    this.#again = null;
    this.deaths += 1;
    if (this.#victim === "all-lossy") this.queue.length = 0;
    if (!this.#victim.startsWith("index")) this.#workers += 1;
    return this.#victim;
  }

  indexStep(life: IndexLife, name: string): void {
    if (life.isDoomed) life.die();
    const victim = this.#step(name);
    if (victim === "index-after") life.isDoomed = true;
    else if (victim !== null && victim !== "worker") life.die();
  }

  refuse(name: string): void {
    if (this.refusal.name !== name || this.refusal.times === 0) return;
    this.refusal.times -= 1;
    throw new Error("It does not answer.");
  }

  /** Whether the index dies before anything more of it is heard. */
  get isDoomed(): boolean {
    return this.#index?.isDoomed ?? false;
  }

  indexBegins(life: IndexLife): void {
    this.#index = life;
  }

  /** True when the index was to die before anything more of it is heard, and did. */
  async killDoomed(): Promise<boolean> {
    const life = this.#index;
    if (life?.isDoomed !== true) return false;
    life.isDoomed = false;
    await life.abort();
    return true;
  }

  /** Who has died meanwhile hears neither an answer nor an error. */
  async #heard(life: number, call: () => unknown): Promise<unknown> {
    try {
      return await call();
    } finally {
      await this.#alive(life);
    }
  }

  /** Whoever is dead waits for ever. */
  async #alive(life: number): Promise<void> {
    if (this.#isOver) throw new Died("The test is over.");
    if (life === this.#workers) return;
    await new Promise<never>((_, reject) => this.#abandoned.push(reject));
  }
}

const fates = new Map<string, Fate>();

/** One life of an index in memory. */
class IndexLife {
  isDoomed = false;
  readonly #context: DurableObjectState;
  readonly #fate: Fate;
  #isWriting = false;

  constructor(context: DurableObjectState, fate: Fate) {
    this.#context = context;
    this.#fate = fate;
    fate.indexBegins(this);
  }

  /** As the process would, between what is stored and what follows from it. */
  die(): never {
    this.#context.abort("crash");
    throw new Died("The index died.");
  }

  async abort(): Promise<void> {
    const stub = env.MORTAL_INDEX.getByName(this.#fate.codebaseId);
    await runInDurableObject(stub, (_, state) => state.abort("crash")).catch(() => undefined);
  }

  /** What is written until the next commit is one step. */
  watch(): void {
    const { storage } = this.#context;
    const written = (name: string) => {
      if (this.#isWriting) return;
      this.#isWriting = true;
      const lasting = () => {
        this.#isWriting = false;
      };
      storage.sync().then(lasting, lasting);
      this.#fate.indexStep(this, name);
    };
    const exec = storage.sql.exec.bind(storage.sql);
    Object.defineProperty(storage.sql, "exec", {
      value: (query: string, ...bindings: SqlStorageValue[]) => {
        if (WRITES.test(query)) written(`index ${query.trim().slice(0, 40)}`);
        return exec(query, ...bindings);
      },
    });
    for (const name of ["setAlarm", "deleteAlarm", "deleteAll"] as const) {
      const call: unknown = Reflect.get(storage, name);
      if (typeof call !== "function") continue;
      Object.defineProperty(storage, name, {
        value: (...given: unknown[]): unknown => {
          written(`index ${name}`);
          return Reflect.apply(call, storage, given);
        },
      });
    }
  }

  /** What it does elsewhere; as of the runtime, only once what it has written will last. */
  env(): Env {
    const perform = async (name: string, call: () => unknown): Promise<unknown> => {
      await this.#context.storage.sync();
      if (DURABLE.has(name)) {
        this.#fate.indexStep(this, `index ${name}`);
        this.#fate.refuse(name);
      }
      const value = await call();
      if (this.isDoomed) this.die();
      return value;
    };
    const send = async (name: string, _: unknown, batch: unknown) => {
      await perform(name, () => {
        if (!Array.isArray(batch)) return;
        this.#fate.queue.push(...batch.map(({ body }) => jobSchema.parse(body)));
      });
    };
    return {
      ...env,
      INDEXING: around(env.INDEXING, send),
      BLOBS: around(env.BLOBS, perform),
      DB: writing(env.DB, (call) => perform("put", call)),
    };
  }
}

/** An index that dies when its fate wants it. */
export class MortalIndex extends CodebaseIndex {
  constructor(context: DurableObjectState, environment: Env) {
    const fate = fates.get(context.id.name ?? "");
    const life = fate === undefined ? null : new IndexLife(context, fate);
    life?.watch();
    super(context, life?.env() ?? environment);
  }
}

/** The time of everything here, which passes by the test alone. */
export class Clock {
  readonly #real: () => number;
  #ahead = AHEAD_MS;

  constructor(real: () => number) {
    this.#real = real;
  }

  now(): number {
    return this.#real() + this.#ahead;
  }

  /** Later by so much. */
  pass(ms: number): void {
    this.#ahead += ms;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** A binding whose calls go through `call`, which is told their name and first argument. */
function around<T extends object>(
  binding: T,
  call: (name: string, go: () => unknown, argument: unknown) => unknown,
): T {
  return new Proxy(binding, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) =>
        call(String(key), () => Reflect.apply(member, target, given), given[0]);
    },
  });
}

/** A database whose statements that change something go through `perform`. */
function writing(
  database: D1Database,
  perform: (go: () => unknown) => Promise<unknown>,
): D1Database {
  const watched = (statement: object): object =>
    around(statement, (name, go) => {
      const value = name === "bind" ? go() : null;
      if (isObject(value)) return watched(value);
      return perform(go);
    });
  return around(database, (_, go, query) => {
    const prepared = go();
    return WRITES.test(String(query)) && isObject(prepared) ? watched(prepared) : prepared;
  });
}
