/** Codebases as tasks and pipelines mount them: what a name stands for, and the archive of its tree. */
import type {
  CodebasePorts,
  CodebaseRef,
  ExecutionReport,
  PinnedCodebase,
  Pinning,
  PinProblem,
} from "../runs/codebases.ts";
import { MAX_MOUNT_BYTES } from "./index/mounting/mounts.ts";
import type { Index } from "./ingest.ts";
import type { CodebaseRepository, CodebaseRow } from "./repository.ts";

const GIBIBYTE = 1024 * 1024 * 1024;

export interface MountDeps {
  readonly repository: Pick<CodebaseRepository, "called">;
  readonly index: (codebaseId: string) => Index;
}

interface Found {
  readonly row: CodebaseRow;
  readonly snapshot: string | null;
}

export class MountService implements CodebasePorts {
  readonly #deps: MountDeps;

  constructor(deps: MountDeps) {
    this.#deps = deps;
  }

  pin(projectId: string, refs: readonly CodebaseRef[]): Promise<Pinning[]> {
    return Promise.all(refs.map((ref) => this.#pin(projectId, ref)));
  }

  async archive(projectId: string, pinned: PinnedCodebase): Promise<string | null> {
    const { codebase_id, snapshot, root } = pinned;
    const answer = await this.#ask(projectId, codebase_id, async (index) =>
      index.mountArchive(projectId, snapshot, root),
    );
    return answer?.status === "ready" ? answer.key : null;
  }

  async locate({ codebase_id, root }: PinnedCodebase, paths: readonly string[]) {
    return this.#deps.index(codebase_id).mountedFiles(root, paths);
  }

  async executed(projectId: string, report: ExecutionReport): Promise<void> {
    await this.#ask(projectId, report.codebase_id, async (index) => index.executed(report));
  }

  /** Null of a codebase that was deleted, whose index may fail, or know of nothing. */
  async #ask<T>(
    projectId: string,
    id: string,
    question: (index: Index) => Promise<T>,
  ): Promise<T | null> {
    try {
      return await question(this.#deps.index(id));
    } catch (error) {
      const [found] = await this.#deps.repository.called(projectId, [id]);
      if (found === undefined) return null;
      throw error;
    }
  }

  async #pin(projectId: string, ref: CodebaseRef): Promise<Pinning> {
    const found = await this.#find(projectId, ref);
    if (found === null) {
      const message = `The project "${projectId}" has no codebase "${ref.codebase}". Name one by its id or name, or make it with POST /api/v1/codebases.`;
      return failing({ code: "unknown", named: ref.snapshot !== null, message });
    }
    const { row, snapshot } = found;
    const { id, name } = row;
    const { folder } = ref;
    const answer = await this.#deps.index(id).mountable(snapshot, folder);
    const problem = (code: PinProblem["code"], message: string) =>
      failing({ code, named: snapshot !== null, message });
    switch (answer.status) {
      case "no_snapshot":
        return snapshot === null
          ? problem("not_ready", `The codebase "${name}" has no snapshot that is ready. Push one.`)
          : problem(
              "no_snapshot",
              `The codebase "${name}" has no snapshot "${snapshot}". Name it by its number, id, ref, commit or root; GET /api/v1/codebases/${id}/snapshots lists them.`,
            );
      case "not_ready":
        return problem(
          "not_ready",
          `Snapshot ${answer.number} of "${name}" is ${answer.state}. Wait until it is ready, or name another.`,
        );
      case "no_folder":
        return problem(
          "no_folder",
          `Snapshot ${answer.number} of "${name}" has no folder "${folder}". GET /api/v1/codebases/${id}/tree lists those it has.`,
        );
      case "found":
        break;
    }
    const { status: _, number, ...about } = answer;
    if (answer.bytes > MAX_MOUNT_BYTES) {
      const limit = MAX_MOUNT_BYTES / GIBIBYTE;
      const message = `Snapshot ${number} of "${name}" takes ${answer.bytes} bytes, and ${limit} GiB is the most that is mounted. Mount a folder of it.`;
      return problem("too_large", message);
    }
    const pinned = { codebase_id: id, name, snapshot: number, folder, ...about };
    return { pinned, problem: null };
  }

  /** By id or name; what follows the last `@` of a text that is neither is the snapshot. */
  async #find(projectId: string, { codebase, snapshot }: CodebaseRef): Promise<Found | null> {
    const at = snapshot === null ? codebase.lastIndexOf("@") : -1;
    const isParted = at > 0 && at < codebase.length - 1;
    const name = isParted ? codebase.slice(0, at) : codebase;
    const rows = await this.#deps.repository.called(projectId, [codebase, name]);
    const called = (text: string) =>
      rows.find(({ id }) => id === text) ?? rows.find((row) => row.name === text);
    const whole = called(codebase);
    if (whole !== undefined) return { row: whole, snapshot };
    const row = isParted ? called(name) : undefined;
    return row === undefined ? null : { row, snapshot: codebase.slice(at + 1) };
  }
}

function failing(problem: PinProblem): Pinning {
  return { pinned: null, problem };
}
