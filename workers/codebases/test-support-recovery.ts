/** For tests of what a death leaves of an ingest: a codebase, who changes it, and how it comes to rest. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { z } from "zod";
import { indexWork } from "../codebase-index.ts";
import { loadConfig } from "../config.ts";
import { newSeed } from "../http/seed.ts";
import { resourceId } from "../runs/address.ts";
import type { Principal } from "../security/principal.ts";
import { buildServices } from "../services.ts";
import { codebasePrefix } from "./archives.ts";
import type { Index } from "./ingest.ts";
import { manifestRoot } from "./intake/manifest.ts";
import { CodebaseRepository } from "./repository.ts";
import { type Files, manifestOf, tarballOf } from "./test-support.ts";
import { type Clock, type Death, Fate } from "./test-support-deaths.ts";

const PROJECT = "deaths";
const ADDRESS = "https://acme.dev/shop.tar.gz";
export const ANN: Principal = {
  ...{ kind: "dev_key", id: "ann", name: "ann" },
  scopes: new Set(["codebases:read", "codebases:write"]),
  projects: "*",
};

/**
 * Every file has the word `marker`, so that a search finds the whole of a tree. What is there before
 * has no symbols, which saves every test their parser.
 */
export const OLD: Files = {
  "docs/shop.txt": "The old marker.\n",
  "docs/same.txt": "The same marker.\n",
  "gone.md": "# A marker\n",
};
export const NEW: Files = {
  "docs/shop.txt": "The new marker.\n",
  "docs/same.txt": "The same marker.\n",
  "src/deep/cart.ts": "export class Cart {\n  marker = same();\n}\n",
};

const entriesOf = (files: Files) =>
  manifestOf(files).map(([path, oid, size]) => ({ path, oid, size, mode: "file" as const }));
export const rootOf = (files: Files) => manifestRoot(entriesOf(files));

/** What a client does, the same again when it did not hear an answer. */
export type Action = (life: Life) => Promise<unknown>;

/** One life of the Worker that a client talks to. */
interface Life {
  readonly services: ReturnType<typeof buildServices>;
  readonly codebaseId: string;
  readonly index: Index;
  readonly seed: string;
  readonly now: number;
}

const pushOf =
  (files: Files): Action =>
  async ({ services, codebaseId, seed }) => {
    const { snapshot, missing } = await services.snapshots.pushManifest(ANN, codebaseId, seed, {
      files: entriesOf(files),
    });
    const name = String(snapshot.number);
    // In parts, so that a death comes between them.
    for (const { path } of missing) {
      const content = files[path];
      if (content === undefined) continue;
      await services.snapshots.pushBlobs(ANN, codebaseId, name, bodyOf({ [path]: content }));
    }
  };
const archiveOf =
  (files: Files): Action =>
  ({ services, codebaseId, seed }) =>
    services.snapshots.pushArchive(ANN, codebaseId, seed, {
      ...{ ref: null, commit: null, strip: 0 },
      body: bodyOf(files),
    });

export const actions = {
  old: archiveOf(OLD),
  archive: archiveOf(NEW),
  manifest: pushOf(NEW),
  oldManifest: pushOf(OLD),
  import: ({ services, codebaseId, seed }) =>
    services.snapshots.import(ANN, codebaseId, seed, { url: ADDRESS, ref: null, secret: null }),
  /** The newest tree is mounted, which nobody repeats. */
  mount: ({ index }) => index.mountArchive(PROJECT, 1, rootOf(OLD)),
  /** Snapshots are taken away, and what they alone had with them. */
  removal: async ({ services, codebaseId }) => {
    const known = await services.snapshots.list(ANN, codebaseId, null, 10);
    for (const { number } of known) {
      await services.snapshots.remove(ANN, codebaseId, String(number));
    }
  },
  deletion: async ({ services, codebaseId, now }) => {
    const row = await new CodebaseRepository(env.DB).find("*", codebaseId);
    if (row !== null) await services.codebases.remove(ANN, codebaseId, now);
    // Hidden, it is the sweeper's.
    else await services.codebases.sweep(now);
  },
} satisfies Record<string, Action>;

function bodyOf(files: Files): ReadableStream<Uint8Array> | null {
  return new Response(tarballOf(files)).body;
}

interface Conduct {
  /** Looks at it after each turn, once somebody has died. */
  readonly observe?: () => Promise<void>;
  /** False for a client that does not ask again when it heard nothing. */
  readonly isRepeated?: boolean;
}

/** Until it is at rest, an ingest takes fewer turns than this. */
const MAX_TURNS = 200;
/** A message that fails so often is dropped, as wrangler.toml has it. */
const MAX_DELIVERIES = 6;

export class MortalCodebase {
  readonly id: string;
  readonly fate: Fate;
  readonly #clock: Clock;
  #etag = "one";
  #isOwed = false;

  private constructor(id: string, clock: Clock) {
    this.id = id;
    this.#clock = clock;
    this.fate = new Fate(id);
  }

  static async create(clock: Clock): Promise<MortalCodebase> {
    const id = resourceId(newSeed(), PROJECT);
    const codebase = new MortalCodebase(id, clock);
    const { services } = codebase.#life();
    await services.codebases.create(
      ANN,
      id,
      { project_id: PROJECT, name: id, labels: {} },
      clock.now(),
    );
    return codebase;
  }

  /** The object itself, for looks at it that nothing is to die of. */
  get stub() {
    return env.MORTAL_INDEX.getByName(this.id);
  }

  #worker(): Env {
    return this.fate.worker((request) => {
      const headers = { etag: this.#etag };
      if (request.headers.get("if-none-match") === this.#etag) {
        return new Response(null, { status: 304, headers });
      }
      return new Response(tarballOf(NEW), { headers });
    });
  }

  #life(): Life {
    const worker = this.#worker();
    const services = buildServices(worker, loadConfig(worker));
    const index = worker.CODEBASE_INDEX.getByName(this.id);
    return { services, codebaseId: this.id, index, seed: newSeed(), now: this.#clock.now() };
  }

  /** Does it undisturbed, or with deaths; resolves when nothing is left to be done. */
  async perform(action: Action, death: Death | null, how: Conduct = {}): Promise<void> {
    const { observe = async () => undefined, isRepeated = true } = how;
    this.fate.begin(death);
    const seed = newSeed();
    let isHeard = false;
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      if (this.fate.deaths > 0) await this.#look(observe);
      if (!isHeard) {
        const life = { ...this.#life(), seed };
        isHeard = (await this.fate.outcome(action(life))) === "done" || !isRepeated;
        if (!isHeard) this.#clock.pass(CLIENT_MS);
      } else if (this.fate.queue.length > 0) {
        await this.#deliver();
      } else if (!(await this.#wake()) && !(await this.fate.killDoomed())) {
        return;
      }
    }
    throw new Error(`It does not come to rest: ${this.fate.steps.slice(-20).join(", ")}`);
  }

  /** A look at an index that dies of it has seen nothing. */
  async #look(observe: () => Promise<void>): Promise<void> {
    const { deaths } = this.fate;
    try {
      await observe();
    } catch (error) {
      if (this.fate.deaths === deaths) throw error;
    }
  }

  /** The first message, to as many consumers at once as have a claim to it. */
  async #deliver(): Promise<void> {
    const [job] = this.fate.queue;
    if (job === undefined) return;
    // A queue delivers at least once.
    const copies = this.fate.deaths > 0 ? 2 : 1;
    for (let delivery = 1; delivery <= MAX_DELIVERIES; delivery += 1) {
      const jobs = Array.from({ length: copies }, () => indexWork(this.#worker()).perform(job));
      const outcome = await this.fate.outcome(Promise.all(jobs));
      if (outcome === "done") break;
      // With the process its queue can be gone.
      if (outcome === "died" && this.fate.queue[0] !== job) return;
    }
    this.fate.queue.shift();
  }

  /** Lets time pass until the alarm is due, and fires it; false when there is none. */
  async #wake(): Promise<boolean> {
    const at = await runInDurableObject(this.stub, (_, { storage }) => storage.getAlarm());
    if (at === null && !this.#isOwed) return false;
    const now = this.#clock.now();
    if (!this.#isOwed && at !== null && at > now) this.#clock.pass(at - now);
    // As the runtime has it: one that did not come to its end comes again.
    this.#isOwed = true;
    const { deaths, isDoomed } = this.fate;
    const fired = runInDurableObject(this.stub, async (object, { storage }) => {
      await withoutAlarm(storage);
      await object.alarm();
    });
    const isDone = await fired.then(
      () => true,
      (error: unknown) => {
        // The runtime gives up an alarm that throws some times.
        if (!isDoomed && this.fate.deaths === deaths) throw error;
        return false;
      },
    );
    if (isDone && !(await this.fate.killDoomed())) this.#isOwed = false;
    return true;
  }

  /** All that the codebase is, in tables, in the blob store and in lists. */
  async census() {
    const tables = await runInDurableObject(this.stub, (_, { storage: { sql } }) => {
      const hasTables = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'blobs'").toArray();
      const rowsOf = (query: string) =>
        hasTables.length === 0 ? [] : [...sql.exec(query).raw()].map((row) => row.join(" "));
      return Object.fromEntries(CENSUS.map(([name, query]) => [name, rowsOf(query)]));
    });
    const { objects } = await env.BLOBS.list({
      prefix: codebasePrefix({ id: this.id, project_id: PROJECT }),
    });
    const row = await new CodebaseRepository(env.DB).find("*", this.id);
    const latest = listedSchema.parse(JSON.parse(row?.latest ?? "null"));
    return { tables, objects: objects.map(({ key }) => key), row: row?.snapshots ?? null, latest };
  }
}

/** Takes the alarm away as the runtime does, which is no step of the index. */
async function withoutAlarm(storage: DurableObjectStorage): Promise<void> {
  const prototype: Pick<DurableObjectStorage, "deleteAlarm"> = Object.getPrototypeOf(storage);
  await Reflect.apply(prototype.deleteAlarm, storage, []);
}

/** Before a client that heard nothing asks again; a deletion is taken up by the sweeper then. */
const CLIENT_MS = 61_000;

/** What lists show of the newest snapshot, without what is of one ingest alone. */
const listedSchema = z
  .object({ number: z.int(), state: z.string(), root: z.string(), symbols: z.unknown() })
  .nullable();

const each = (table: string) => [table, `SELECT 1 FROM ${table}`] as const;
const CENSUS: readonly (readonly [name: string, query: string])[] = [
  ["blobs", "SELECT oid, sha256, size, lines, chunks FROM blobs ORDER BY oid"],
  ["trees", "SELECT oid FROM trees ORDER BY oid"],
  ["snapshots", "SELECT state, root, counts, error, commit_oid FROM snapshots ORDER BY number"],
  ["unparsed", "SELECT blob FROM unparsed"],
  [
    "grammars",
    "SELECT b.oid, p.language, p.symbols, p.refs, p.problem FROM parsed AS p JOIN blobs AS b ON b.id = p.blob ORDER BY b.oid",
  ],
  ...[
    "contents",
    "tree_entries",
    "incoming",
    "kept_archives",
    "parsed",
    "symbol_data",
    "reference_data",
  ].map(each),
  ...["mount_archives", "tri", "symtri", "word", "names"].map(each),
];
