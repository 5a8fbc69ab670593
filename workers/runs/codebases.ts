/** Codebases that steps mount: as definitions name them, and as runs are pinned to them. */
import type { MountedTree } from "../executors/port.ts";

/** Where a codebase stands in the workspace unless it is said. */
export const DEFAULT_MOUNT_PATH = "code";

/** As a definition writes it: `"name"`, `"name@snapshot"`, or each by itself. */
export type CodebaseSpec =
  | string
  | {
      readonly codebase: string;
      readonly snapshot?: string | number | null | undefined;
      readonly folder?: string | null | undefined;
      readonly path?: string | null | undefined;
    };

export interface CodebaseRef {
  /** Id or name; with `snapshot` null it may be `name@snapshot`. */
  readonly codebase: string;
  /** Number, id, ref, commit or root; null for the newest that is ready. */
  readonly snapshot: string | null;
  /** The folder of the codebase that is mounted; `""` for all of it. */
  readonly folder: string;
}

/** One tree, which never changes, and how it was found. */
export interface PinnedCodebase {
  readonly codebase_id: string;
  readonly name: string;
  /** Number of the snapshot. */
  readonly snapshot: number;
  readonly ref: string | null;
  readonly commit: string | null;
  readonly folder: string;
  /** OID of the tree of the snapshot, or of its folder. */
  readonly root: string;
  readonly files: number;
  /** Of the files, unpacked. */
  readonly bytes: number;
  /** What a mount cannot hold: how many files, and the paths of some. */
  readonly left_out: { readonly files: number; readonly paths: readonly string[] };
}

/** A pinned codebase, and the folder of the workspace that it stands at. */
export interface MountedCodebase extends PinnedCodebase {
  readonly path: string;
}

/** Why a reference stands for nothing now. */
export interface PinProblem {
  readonly code: "unknown" | "no_snapshot" | "not_ready" | "no_folder" | "too_large";
  /** Whether a snapshot was named, rather than the newest meant. */
  readonly named: boolean;
  /** Says what to do. */
  readonly message: string;
}

export type Pinning =
  | { readonly pinned: PinnedCodebase; readonly problem: null }
  | { readonly pinned: null; readonly problem: PinProblem };

/** What an execution had to do with files of a tree, as lists of the paths that each may be. */
export interface ExecutionReport {
  readonly project_id: string;
  readonly codebase_id: string;
  readonly snapshot: number;
  readonly root: string;
  readonly folder: string;
  readonly by: {
    /** Of the task or pipeline. */
    readonly id: string;
    readonly name: string;
    readonly run: number;
    readonly step: string;
    readonly epoch: number;
  };
  /** ms since 1970. */
  readonly at: number;
  /** Named by the command or script. */
  readonly ran: readonly (readonly string[])[];
  /** Named by the failure. */
  readonly failed: readonly (readonly string[])[];
}

/** What the engine asks of codebases. */
export interface CodebasePorts {
  /** What the references of a project stand for now, in their order. */
  pin(projectId: string, refs: readonly CodebaseRef[]): Promise<readonly Pinning[]>;
  /** Key of the archive of a tree, made when it is not there; null when its snapshot was deleted. */
  archive(projectId: string, pinned: PinnedCodebase): Promise<string | null>;
  /** Those of the paths that the tree has, with what each is there: one may be the end of a path. */
  locate(
    pinned: PinnedCodebase,
    paths: readonly string[],
  ): Promise<Readonly<Record<string, string>>>;
  /** Takes a report of an execution; a repeated one changes nothing. */
  executed(projectId: string, report: ExecutionReport): Promise<void>;
}

/** Where a definition names a codebase. */
export interface NamedCodebase {
  /** Path of the member, such as `tasks[2].codebase`. */
  readonly place: string;
  /** Null when it comes to none. */
  readonly ref: CodebaseRef | null;
  /** Why it comes to none. */
  readonly problem: string | null;
}

export function refOf(spec: CodebaseSpec): CodebaseRef {
  if (typeof spec === "string") return { codebase: spec, snapshot: null, folder: "" };
  const { codebase, snapshot = null, folder } = spec;
  return {
    codebase,
    snapshot: snapshot === null ? null : String(snapshot),
    folder: (folder ?? "").replace(/\/+$/, ""),
  };
}

export function mountPathOf(spec: CodebaseSpec): string {
  const path = typeof spec === "string" ? null : (spec.path ?? null);
  return (path ?? DEFAULT_MOUNT_PATH).replace(/\/+$/, "");
}

/** The same for references that stand for the same. */
export function keyOf({ codebase, snapshot, folder }: CodebaseRef): string {
  return JSON.stringify([codebase, snapshot, folder]);
}

export function treeOf({ path, files, bytes }: MountedCodebase, key: string): MountedTree {
  return { path, key, files, bytes };
}
