/**
 * What the runner and the process that drives one attempt's engine session say to each other. The
 * process is given everything it needs at once: secrets come this way and no other, so that they
 * stand in no argument, environment or file.
 */
import { z } from "zod";
import { FAILURE_REASONS } from "../../../../workers/executors/port.ts";

/** Files that become a directory of the engine: written by queries while few, else uploaded. */
export const treeSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("inline"),
    files: z.array(z.object({ path: z.string(), content: z.string(), mode: z.int() })),
    folders: z.array(z.string()),
  }),
  z.object({ kind: z.literal("host"), path: z.string() }),
]);
export type Tree = z.output<typeof treeSchema>;

export const PROGRAMS = ["shell", "python", "script"] as const;

export const jobSchema = z.object({
  /** Names this execution for good. */
  id: z.string(),
  cli: z.string(),
  /** Of this attempt, on the runner's disk. */
  folder: z.string(),
  connect_timeout_ms: z.int().positive(),
  image: z.string(),
  /** Shell lines whose outcome the engine caches. */
  setup: z.array(z.string()),
  cache_volumes: z.array(z.object({ path: z.string(), key: z.string() })),
  workspace: treeSchema,
  control: treeSchema,
  /** A folder of the runner's that stands in the workspace, read-only; null for none. */
  tree: z.object({ source: z.string(), path: z.string() }).nullable(),
  /** Folder of the runner's that holds the harness of scripts; null when it is not needed. */
  harness: z.string().nullable(),
  /** Working directory below the workspace's root; `""` is the root. */
  directory: z.string(),
  environment: z.record(z.string(), z.string()),
  secrets: z.record(z.string(), z.string()),
  program: z.enum(PROGRAMS),
  /** A shell line that fits into an argument; null when the program is a file. */
  line: z.string().nullable(),
  artifacts: z.array(z.string()),
});
export type Job = z.output<typeof jobSchema>;

export const toChildSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("run"), job: jobSchema }),
  /** No more output is wanted. */
  z.object({ type: z.literal("quiet") }),
]);
export type ToChild = z.output<typeof toChildSchema>;

/** What is left of the container; results lie as files in the attempt's folder. */
export const reportSchema = z.object({
  exit_code: z.int(),
  /** The program that the image lacks. */
  missing: z.string().nullable(),
  /** `file` is below the attempt's folder. */
  artifacts: z.array(z.object({ path: z.string(), file: z.string() })),
});
export type Report = z.output<typeof reportSchema>;

const entrySchema = z.tuple([z.enum(["stdout", "stderr"]), z.string()]);
export type OutputEntry = z.output<typeof entrySchema>;

export const fromChildSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("log"), entries: z.array(entrySchema) }),
  z.object({ type: z.literal("ended"), report: reportSchema }),
  z.object({
    type: z.literal("failed"),
    reason: z.enum(FAILURE_REASONS),
    code: z.string(),
    message: z.string(),
  }),
]);
export type FromChild = z.output<typeof fromChildSchema>;
