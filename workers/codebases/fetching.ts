/** Brings what is at an address into the blob store, unless it is what an earlier snapshot has. */
import type { SecretResolver } from "../executors/port.ts";
import { ApiError } from "../http/errors.ts";
import type { Outbound } from "../security/outbound.ts";
import { type CodebaseRef, storeArchive } from "./archives.ts";
import { resolveRef } from "./git/advertisement.ts";
import { PackTooLarge } from "./git/errors.ts";
import { GitRemote } from "./git/remote.ts";
import type { Snapshot } from "./index/types.ts";
import type { Index } from "./ingest.ts";
import { IntakeError } from "./intake/errors.ts";
import { type RemoteSource, remoteSource } from "./remote.ts";
import type { RunnerGit } from "./runner-git.ts";

export interface FetchingDeps {
  readonly blobs: R2Bucket;
  readonly outbound: Outbound;
  readonly secrets: SecretResolver;
  readonly runnerGit: Pick<RunnerGit, "fetch">;
}

/** A snapshot that is read from an address. */
export interface FetchJob {
  readonly index: Index;
  readonly codebase: CodebaseRef;
  readonly snapshot: Snapshot;
  /** Where it is stored. */
  readonly key: string;
}

/** `ready`: nothing is to be read, since an earlier snapshot has the same files, or another job was first. */
export type Fetched = "stored" | "ready";

/** A server that sends so slowly is not waited for. */
const FETCH_LIMIT_MS = 300_000;

/** Who a bare token is of, where a forge wants a name before it. */
const TOKEN_USERS: Readonly<Record<string, string>> = {
  "github.com": "x-access-token",
  "gitlab.com": "oauth2",
  "bitbucket.org": "x-token-auth",
};

/** The other side's answer, which another try may change when it is of its own making. */
export class RemoteRefusal extends Error {
  readonly status: number;

  constructor(status: number, host: string) {
    super(`${host} answered ${status}`);
    this.status = status;
  }
}

export class SourceFetcher {
  readonly #deps: FetchingDeps;

  constructor(deps: FetchingDeps) {
    this.#deps = deps;
  }

  /**
   * What is stored already is not fetched again. Throws IntakeError and ApiError for what no other try
   * would change, RemoteRefusal for what one may.
   */
  async fetch(job: FetchJob): Promise<Fetched> {
    const { source, ref } = job.snapshot;
    if (source.url === null || (await this.#deps.blobs.head(job.key)) !== null) return "stored";
    const secret = source.secret ?? null;
    const remote = remoteSource(source.url, ref, secret !== null);
    const authorization = await this.#authorization(job.codebase, secret, source.url);
    return remote.kind === "git"
      ? this.#fetchCommit(job, remote, authorization)
      : this.#fetchArchive(job, remote, authorization);
  }

  async #fetchCommit(
    { index, codebase, snapshot, key }: FetchJob,
    { url }: RemoteSource,
    authorization: string | null,
  ): Promise<Fetched> {
    const { outbound, blobs } = this.#deps;
    const refused = (response: Response, at: URL) => refusal(response, at, snapshot);
    const signal = AbortSignal.timeout(FETCH_LIMIT_MS);
    const remote = new GitRemote({ outbound, url, authorization, signal, refused });
    const commit = resolveRef(await remote.advertisement(), snapshot.ref);
    if (await index.adopt(snapshot.number, { commit })) return "ready";
    if (!(await index.expectArchive(key, snapshot.id))) return "ready";
    try {
      await storeArchive(blobs, key, remote.pack(commit), { commit });
    } catch (error) {
      if (!(error instanceof PackTooLarge)) throw error;
      return this.#fetchElsewhere({ index, codebase, snapshot, key }, url, commit);
    }
    return "stored";
  }

  /** By git on a runner. */
  async #fetchElsewhere(
    { index, codebase, snapshot, key }: FetchJob,
    url: string,
    commit: string,
  ): Promise<Fetched> {
    const tree = await this.#deps.runnerGit.fetch({
      ...{ codebase, url, commit, snapshot_id: snapshot.id },
      secret: snapshot.source.secret ?? null,
      token_user: TOKEN_USERS[new URL(url).hostname] ?? "",
      isWanted: async () => (await index.snapshot(String(snapshot.number)))?.state === "ingesting",
    });
    if (tree === null) return "ready";
    await storeArchive(this.#deps.blobs, key, tree, { commit });
    return "stored";
  }

  async #fetchArchive(
    { index, snapshot, key }: FetchJob,
    { url }: RemoteSource,
    authorization: string | null,
  ): Promise<Fetched> {
    const known = await index.etag(snapshot.number);
    const signal = AbortSignal.timeout(FETCH_LIMIT_MS);
    const ask = (etag: string | null) => {
      const headers = new Headers();
      if (authorization !== null) headers.set("authorization", authorization);
      if (etag !== null) headers.set("if-none-match", etag);
      return this.#deps.outbound(new Request(url, { headers, signal }));
    };
    let response = await ask(known);
    if (response.status === 304 && known !== null) {
      await response.body?.cancel();
      if (await index.adopt(snapshot.number, { etag: known })) return "ready";
      response = await ask(null);
    }
    if (!response.ok || response.body === null) {
      return refusal(response, new URL(url), snapshot);
    }
    const etag = response.headers.get("etag");
    if (!(await index.expectArchive(key, snapshot.id))) {
      await response.body.cancel();
      return "ready";
    }
    await storeArchive(this.#deps.blobs, key, response.body, etag === null ? {} : { etag });
    return "stored";
  }

  /** Null without a secret; throws IntakeError when there is none of that name. */
  async #authorization(
    { project_id }: CodebaseRef,
    name: string | null,
    address: string,
  ): Promise<string | null> {
    if (name === null) return null;
    const value = (await this.#deps.secrets.resolve(project_id, [name])).get(name)?.trim();
    if (value === undefined) {
      throw new IntakeError(
        "secret_unknown",
        `The project has no secret "${name}" any more. Store it again, or name another, and import again.`,
      );
    }
    const user = TOKEN_USERS[new URL(address).hostname];
    const pair = value.includes(":") || user === undefined ? value : `${user}:${value}`;
    const credentials = pair.includes(":")
      ? `Basic ${Buffer.from(pair).toString("base64")}`
      : `Bearer ${pair}`;
    if (/^[\x21-\x7e]+ [\x21-\x7e]+$/.test(credentials)) return credentials;
    throw new IntakeError(
      "secret_unknown",
      `The secret "${name}" holds what no token has. Give it the value user:token, or the token alone.`,
    );
  }
}

/** Throws what an answer means: RemoteRefusal when the server may think otherwise later. */
async function refusal(
  response: Response,
  { host }: URL,
  { source: { secret } }: Snapshot,
): Promise<never> {
  const { status } = response;
  await response.body?.cancel();
  if (status >= 500 || status === 429) throw new RemoteRefusal(status, host);
  throw new IntakeError("source_refused", `${host} answered ${status}. ${remedy(status, secret)}`);
}

function remedy(status: number, secret: string | null | undefined): string {
  if (![203, 401, 403, 404].includes(status)) return "Check the address.";
  return typeof secret === "string"
    ? `Check the address, and the secret "${secret}": its value is user:token, or a token that may read the repository.`
    : "Check the address and the ref. What is private is not seen without credentials: store them as a secret and name it by `secret`.";
}

/** What no other try changes, as what a snapshot fails with; null for all else. */
export function asIntakeError(error: unknown): IntakeError | null {
  if (error instanceof IntakeError) return error;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new IntakeError(
      "source_refused",
      `The server did not send everything within ${FETCH_LIMIT_MS / 60_000} minutes. Import it again, or push an archive.`,
      { cause: error },
    );
  }
  if (error instanceof ApiError && error.status < 500) {
    return new IntakeError("source_refused", error.detail, { cause: error });
  }
  return null;
}
