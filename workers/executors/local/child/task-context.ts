/** The second argument of a JavaScript task: `export default (input, ctx) => output`. */
import type { TreeEntry } from "../../tree-archive.ts";
import type { ChildRequest } from "../frames.ts";
import { refuseSkill } from "./no-skills.ts";
import { TaskFiles } from "./task-files.ts";

export interface TaskContext {
  /** The task's environment and secrets, as in `process.env`. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * The workspace, paths relative to the working directory: `read(path)` gives text,
   * `bytes(path)` a Uint8Array. What is written counts for the task's `artifacts`. A codebase
   * cannot be changed: that throws an error with the code `EROFS`.
   */
  readonly files: {
    read(path: string): string;
    bytes(path: string): Uint8Array;
    list(glob?: string): string[];
    exists(path: string): boolean;
    write(path: string, data: string | ArrayBuffer | ArrayBufferView): void;
    /** Returns whether the file was there. */
    remove(path: string): boolean;
  };
  /**
   * `invoke(slug, inputs)` invokes a skill that the running one names in `permissions.skills`, and
   * resolves to its outputs. It rejects with an error whose `code` says why it failed.
   */
  readonly skills: {
    invoke(slug: string, inputs?: object): Promise<unknown>;
  };
  /** Writes a line to stdout, like `console.log`. */
  log(...values: unknown[]): void;
  /** The retry policy's try, from 1. */
  readonly attempt: number;
  readonly run: number;
  /** Rises with every dispatch, also when a try is repeated after a loss. */
  readonly epoch: number;
  /** When the attempt is stopped, ms since 1970. */
  readonly deadline: number;
  /** The same in every try at this step of this run: give it to services that deduplicate. */
  readonly idempotencyKey: string;
}

/** What the parent gives an attempt whose code may invoke skills. */
export interface SkillGateway {
  invoke(slug: string, inputs: object): Promise<unknown>;
}

const NO_GATEWAY = "only code of a skill may, and those alone that it names in permissions.skills.";

/** Builds the context and the files behind it, which outlive the call for the artifacts. */
export function taskContext(
  request: ChildRequest,
  tree: readonly TreeEntry[],
  environment: Readonly<Record<string, string>>,
  gateway: SkillGateway | null,
): { context: TaskContext; files: TaskFiles } {
  const files = new TaskFiles(request, tree);
  const { resource_id, run, step, attempt, epoch } = request.ref;
  const context: TaskContext = {
    env: environment,
    files: {
      read: (path) => files.text(path),
      bytes: (path) => files.read(path),
      list: (glob) => files.list(glob),
      exists: (path) => files.exists(path),
      write: (path, data) => files.write(path, data),
      remove: (path) => files.remove(path),
    },
    skills: {
      invoke: (slug, inputs = {}) =>
        gateway === null ? refuseSkill(slug, NO_GATEWAY) : gateway.invoke(`${slug}`, inputs),
    },
    log: (...values) => console.log(...values),
    attempt,
    run,
    epoch,
    deadline: request.deadline_at,
    idempotencyKey: `${resource_id}:${run}:${step}`,
  };
  return { context, files };
}
