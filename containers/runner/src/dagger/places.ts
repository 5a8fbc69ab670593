/** Where things are inside a task's container, and in the attempt's folder on the runner's disk. */
import { FRAME_FILE, REQUEST_FILE, SCRIPT_FILE } from "../subprocess/harness-request.ts";

/**
 * The image of tasks that name none: of the official ones the one that has bash, Node.js, Python and
 * git, so that a task in any language runs in it.
 */
export const DEFAULT_IMAGE = "node:24-bookworm";

export const WORKSPACE = "/workspace";
/** What the runner and the code leave for each other. */
export const CONTROL = "/run/pipelzr";
/** The harness of scripts, read only. */
export const HARNESS = "/opt/pipelzr";

/** Names of files in the control directory. */
export const FILES = {
  input: "input.json",
  output: "output",
  wrapper: "run.sh",
  shell: "script.sh",
  python: "script.py",
  request: REQUEST_FILE,
  script: SCRIPT_FILE,
  frame: FRAME_FILE,
  /** Exit code of the code, as text. */
  exit: "exit",
  /** Name of a program that the image lacks. */
  missing: "missing",
  /** Whole copies of the output, as the engine writes them. */
  stdout: "stdout",
  stderr: "stderr",
} as const;

/** Below the attempt's folder: where artifacts lie under numbers, and what the code left as results. */
export const ARTIFACTS_FOLDER = "artifacts";
export const LEFT_FOLDER = "left";
