/**
 * Repositories that are too large to be unpacked here: git on a companion runner fetches the commit, as
 * a task of the project that everybody can see, and keeps its tree as an archive. Attributes that a
 * repository may have, and that would leave files out of an archive or change them, are overruled.
 */
import { ApiError } from "../http/errors.ts";
import { seedFrom } from "../runs/address.ts";
import { type Principal, principalOf } from "../security/principal.ts";
import { createTaskSchema } from "../tasks/schemas.ts";
import type { FoundTask, TaskService } from "../tasks/service.ts";
import type { CodebaseRef } from "./archives.ts";
import { PackTooLarge } from "./git/errors.ts";
import { IntakeError } from "./intake/errors.ts";

const ARCHIVE = "tree.tar.gz";
const TIMEOUT_SECONDS = 600;
const POLL_MS = 500;
/** How long a task stays without a runner that takes it. */
const PATIENCE_MS = 120_000;
const SHOWN_CHARS = 400;
const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** What the task needs of who acts in it. */
const GRANTS = ["tasks:read", "tasks:write", "tasks:execute", "secrets:read"] as const;

/** Who a bare token is of comes as TOKEN_USER; the header is in no process's arguments. */
const SCRIPT = `set -euo pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
export GIT_ALLOW_PROTOCOL=http:https GIT_PROTOCOL_FROM_USER=0 GIT_LFS_SKIP_SMUDGE=1
count=0
setting() {
  export "GIT_CONFIG_KEY_$count=$1" "GIT_CONFIG_VALUE_$count=$2"
  count=$((count + 1))
}
setting core.hooksPath /dev/null
setting credential.helper ""
setting http.followRedirects false
setting transfer.fsckObjects true
if [ -n "\${GIT_SECRET:-}" ]; then
  pair=$GIT_SECRET
  case "$pair" in
    *:*) ;;
    *) if [ -n "$TOKEN_USER" ]; then pair="$TOKEN_USER:$pair"; fi ;;
  esac
  case "$pair" in
    *:*) setting http.extraHeader "Authorization: Basic $(printf %s "$pair" | base64 | tr -d '\\n')" ;;
    *) setting http.extraHeader "Authorization: Bearer $pair" ;;
  esac
fi
export GIT_CONFIG_COUNT=$count
command -v git > /dev/null || { echo "There is no git on this runner." >&2; exit 127; }
git init -q --bare repository
mkdir -p repository/info
echo '* -export-ignore -export-subst -ident -text -eol -working-tree-encoding -filter' > repository/info/attributes
git -C repository fetch -q --depth=1 --no-tags --no-recurse-submodules "$REPOSITORY" "$COMMIT"
git -C repository archive --format=tar "$COMMIT" | gzip -n > ${ARCHIVE}
rm -rf repository
`;

export interface RunnerGitDeps {
  readonly tasks: Pick<TaskService, "create" | "get" | "cancel" | "artifact">;
  /** Whether the project has a runner that is meant for processes, connected or not. */
  readonly hasRunner: (projectId: string) => Promise<boolean>;
}

export interface RunnerFetch {
  readonly codebase: CodebaseRef;
  /** Of the snapshot. */
  readonly snapshot_id: string;
  readonly url: string;
  readonly commit: string;
  /** Name of a secret; null for none. */
  readonly secret: string | null;
  /** Who a bare token is of; empty for nobody in particular. */
  readonly token_user: string;
  /** Whether somebody still waits for it. */
  isWanted(): Promise<boolean>;
}

export class RunnerGit {
  readonly #deps: RunnerGitDeps;

  constructor(deps: RunnerGitDeps) {
    this.#deps = deps;
  }

  /**
   * The tree as an archive; null when nobody wants it any more. What was begun for a snapshot before
   * is found again. Throws IntakeError.
   */
  async fetch(job: RunnerFetch): Promise<ReadableStream<Uint8Array> | null> {
    const { id, project_id } = job.codebase;
    if (!(await this.#deps.hasRunner(project_id))) throw new PackTooLarge();
    const principal = principalOf({ by: `codebase:${id}`, grants: GRANTS }, project_id);
    const task = await this.#end(principal, job);
    if (task === null) return null;
    const { run, resource } = task.snapshot;
    if (run?.status !== "completed") throw failure(task);
    const archive = await this.#deps.tasks.artifact(principal, resource.id, ARCHIVE);
    return archive.body;
  }

  /** The task at its end. */
  async #end(principal: Principal, job: RunnerFetch): Promise<FoundTask | null> {
    const { tasks } = this.#deps;
    let task = await this.#begin(principal, job);
    const { id } = task.snapshot.resource;
    const give_up_at = Date.now() + PATIENCE_MS;
    while (!ENDED.has(task.snapshot.run?.status ?? "")) {
      const isIdle = task.snapshot.run?.started_at === null && Date.now() > give_up_at;
      const isWanted = !isIdle && (await job.isWanted());
      if (!isWanted) await tasks.cancel(principal, id).catch(ignoreEnded);
      if (isIdle) throw new PackTooLarge();
      if (!isWanted) return null;
      await scheduler.wait(POLL_MS);
      task = await tasks.get(principal, id);
    }
    return task;
  }

  #begin(principal: Principal, job: RunnerFetch): Promise<FoundTask> {
    const { url, commit, secret, token_user, codebase, snapshot_id } = job;
    const { host } = new URL(url);
    const {
      files,
      project_id,
      execute: _,
      ...spec
    } = createTaskSchema.parse({
      name: `git fetch of ${host}`,
      description: `Fetches commit ${commit} for codebase ${codebase.id}: as git sends it, it is too large to be unpacked by the service.`,
      ...{ task_type: "subprocess", script: SCRIPT, language: "bash", artifacts: [ARCHIVE] },
      environment: {
        ...{ REPOSITORY: url, COMMIT: commit, TOKEN_USER: token_user },
        ...(secret !== null && { GIT_SECRET: `\${{ secrets.${secret} }}` }),
      },
      network: { allow: [host] },
      timeout_seconds: TIMEOUT_SECONDS,
      labels: { codebase: codebase.id },
      project_id: codebase.project_id,
    });
    const seed = seedFrom(snapshot_id, "git");
    return this.#deps.tasks.create(principal, seed, {
      ...{ spec, files, project_id, execute_wait_ms: 0 },
    });
  }
}

function failure({ snapshot: { run, stderr, resource } }: FoundTask): IntakeError {
  const said = stderr?.text.trim().slice(-SHOWN_CHARS) ?? "";
  const why = said === "" ? (run?.error?.message ?? "it was cancelled") : said;
  return new IntakeError(
    "source_refused",
    `Git on a runner did not bring it (task ${resource.id}): ${why} Import it again when that is mended.`,
  );
}

function ignoreEnded(error: unknown): void {
  if (!(error instanceof ApiError) || error.status >= 500) throw error;
}
