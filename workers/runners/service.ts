/** Registers, lists and revokes runners. What lives is known by their pools. */
import type { Config } from "../config.ts";
import type { RunnerPoolBase } from "../executors/runner/pool.ts";
import type { RunnerStatus } from "../executors/runner/pool-types.ts";
import { poolName } from "../executors/runner/pools.ts";
import { readPublicKey } from "../executors/runner/signature.ts";
import { ApiError, notFound } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import { type Page, toPage } from "../http/page.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import { sha256 } from "../security/hash.ts";
import { callerOf, type Principal, projectFor, visibleProjects } from "../security/principal.ts";
import { askPool } from "./ask-pool.ts";
import type { RunnerRepository, RunnerRow } from "./repository.ts";
import type {
  CreatedRunner,
  CreateRunner,
  RegisteredRunner,
  RegisterRunner,
  RunnerDocument,
} from "./schemas.ts";

const TOKEN_LIFETIME_MS = 3_600_000;
const TOKEN_BYTES = 32;

export type Pools = DurableObjectNamespace<RunnerPoolBase>;

export class RunnerService {
  readonly #repository: RunnerRepository;
  readonly #pools: Pools;
  readonly #config: Config;

  constructor(repository: RunnerRepository, pools: Pools, config: Config) {
    this.#repository = repository;
    this.#pools = pools;
    this.#config = config;
  }

  /**
   * `seed` becomes the runner's id. Done again with the same seed, it returns the same runner without
   * its token. `origin` is where the runner reaches the service. Throws `forbidden` for a shared
   * runner of a caller of some projects, and `validation_failed`.
   */
  async create(
    principal: Principal,
    seed: string,
    body: CreateRunner,
    origin: string,
    now: number,
  ): Promise<CreatedRunner> {
    if (body.shared && principal.projects !== "*") {
      throw new ApiError(
        "forbidden",
        "A shared runner serves all projects, and this caller does not reach them all. Register it for one project, or ask an administrator.",
      );
    }
    const token = `plzr_${Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url")}`;
    const row: RunnerRow = {
      id: seed,
      project_id: body.shared ? null : projectFor(principal, body.project_id),
      name: body.name,
      token_expires_at: now + TOKEN_LIFETIME_MS,
      public_key: null,
      machine: null,
      created_by: callerOf(principal),
      created_at: now,
      registered_at: null,
      revoked_at: null,
    };
    const isNew = await this.#repository.insert(row, sha256(token));
    const stored = isNew ? row : await this.#row(principal, seed);
    return {
      ...toDocument(stored, undefined),
      token: isNew ? token : null,
      token_expires_at: timestamp(stored.token_expires_at),
      command: isNew ? startCommand(origin, token, this.#config) : null,
    };
  }

  async get(principal: Principal, id: string): Promise<RunnerDocument> {
    const row = await this.#row(principal, id);
    return toDocument(row, (await this.#live([row])).get(id));
  }

  async list(principal: Principal, projectId: string | undefined, page: Page, url: string) {
    const rows = await this.#repository.list(visibleProjects(principal, projectId), page);
    const live = await this.#live(rows.slice(0, page.limit));
    return toPage(
      rows,
      page,
      url,
      (row) => row,
      (row) => toDocument(row, live.get(row.id)),
    );
  }

  /**
   * Refuses the runner from now on; what it has under way is lost. Throws `not_found`, and
   * `unavailable` when its pool has not heard of it yet.
   */
  async revoke(principal: Principal, id: string, now: number): Promise<void> {
    const row = await this.#repository.revoke(visibleProjects(principal), id, now);
    if (row === null) throw notFound("runner", id);
    const pool = poolName(row.project_id);
    await askPool(this.#pools, pool, async (known) => known.revoke(id));
  }

  /** Takes a runner's key for its one-time token. Throws `unauthenticated`, `validation_failed`, `unavailable`. */
  async register(body: RegisterRunner, now: number): Promise<RegisteredRunner> {
    const publicKey = readPublicKey(body.public_key);
    if (publicKey === null) {
      const message =
        "It is no Ed25519 public key. Send its 32 bytes, or their DER form (SPKI), in base64.";
      throw new ApiError("validation_failed", "The runner's key is not usable.", {
        issues: [{ path: "public_key", message }],
      });
    }
    const key = { public_key: publicKey, machine: body.name };
    const row = await this.#repository.register(sha256(body.token), key, now);
    if (row === null) {
      throw new ApiError(
        "unauthenticated",
        "This registration token does not exist, has expired, was used by another runner, or its runner was revoked. Create another with POST /api/v1/runners.",
        { headers: { "WWW-Authenticate": 'PIPELZR-Runner realm="pipelzr"' } },
      );
    }
    const pool = poolName(row.project_id);
    await askPool(this.#pools, pool, async (known) => known.enroll(row.id, row.name));
    return { runner_id: row.id, pool, project_id: row.project_id };
  }

  async #row(principal: Principal, id: string): Promise<RunnerRow> {
    const row = await this.#repository.find(visibleProjects(principal), id);
    if (row === null) throw notFound("runner", id);
    return row;
  }

  /** What the pools know of runners, each pool asked once; `null` for those of one that is silent. */
  async #live(rows: readonly RunnerRow[]): Promise<Map<string, RunnerStatus | null>> {
    const registered = rows.filter((row) => row.registered_at !== null && row.revoked_at === null);
    const byPool = Map.groupBy(registered, ({ project_id }) => poolName(project_id));
    const answers = [...byPool].map(async ([pool, members]) => {
      const ids = members.map(({ id }) => id);
      try {
        const known = await this.#pools.getByName(pool).status(ids);
        return known.map((status) => [status.runner_id, status] as const);
      } catch (error) {
        logWarning("pool_silent", error, { pool });
        return ids.map((id) => [id, null] as const);
      }
    });
    return new Map((await Promise.all(answers)).flat());
  }
}

/** What a person runs on the machine that is to carry out work, of all the kinds that are enabled. */
function startCommand(
  origin: string,
  token: string,
  { SUBPROCESS_ENABLED, DAGGER_ENABLED }: Config,
): string {
  const command = ["npm run runner --", "--url", origin, "--token", token];
  if (SUBPROCESS_ENABLED) command.push("--allow-subprocess");
  // A runner without anything to run does not start.
  if (SUBPROCESS_ENABLED && !DAGGER_ENABLED) command.push("--no-dagger");
  return command.join(" ");
}

function toDocument(row: RunnerRow, live: RunnerStatus | null | undefined): RunnerDocument {
  return {
    id: row.id,
    name: row.name,
    project_id: row.project_id,
    shared: row.project_id === null,
    state: stateOf(row, live),
    machine: row.machine,
    version: live?.version ?? null,
    labels: [...(live?.labels ?? [])],
    task_types: [...(live?.task_types ?? [])],
    unavailable: { ...live?.unavailable },
    slots: live?.slots ?? 0,
    running: live?.running ?? 0,
    draining: live?.is_draining ?? false,
    last_seen: timestampOrNull(live?.seen_at ?? null),
    created_by: row.created_by,
    created_at: timestamp(row.created_at),
    registered_at: timestampOrNull(row.registered_at),
    revoked_at: timestampOrNull(row.revoked_at),
  };
}

function stateOf(row: RunnerRow, live: RunnerStatus | null | undefined): RunnerDocument["state"] {
  if (row.revoked_at !== null) return "revoked";
  if (row.registered_at === null) return "pending";
  if (live === null) return "unknown";
  return live?.is_connected === true ? "connected" : "offline";
}
