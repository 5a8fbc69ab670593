/** What it means when a child's request fails instead of answering. */
import { type Failure, failed } from "../outcome.ts";
import { ProtocolError } from "./read-frames.ts";

export interface ChildFailure {
  readonly outcome: Failure;
  /** Whether the isolate is of no further use. */
  readonly isGone: boolean;
}

const SYNTAX_ERROR = /Failed to start Worker:\s*(?:Uncaught )?([\s\S]*)/;

/** Translates an error of the runtime, by its message: it has no codes for these. */
export function childFailure(error: unknown): ChildFailure {
  const message = error instanceof Error ? error.message : String(error);
  const syntax = SYNTAX_ERROR.exec(message)?.[1];
  if (syntax !== undefined) {
    const where = syntax.trim();
    const outcome = failed("exit", "script_invalid", `The script cannot be loaded: ${where}`, {
      exit_code: 1,
    });
    return { outcome, isGone: false };
  }
  if (message.includes("code had hung")) {
    const outcome = failed(
      "exit",
      "never_settled",
      "The code waits for something that can never happen: nothing it awaits is pending any more. Check for a promise that is never resolved.",
      { exit_code: 1 },
    );
    return { outcome, isGone: false };
  }
  if (/exceeded (?:its |the )?CPU|CPU time limit/i.test(message)) {
    const outcome = failed(
      "error",
      "cpu_exceeded",
      "The code used up its CPU time and was stopped. Split the work over several tasks, or ask the operator to raise LOCAL_CPU_MS.",
    );
    return { outcome, isGone: true };
  }
  if (/exceeded (?:its |the )?memory|memory limit/i.test(message)) {
    const outcome = failed(
      "error",
      "memory_exceeded",
      "The code used more memory than an isolate has (128 MB) and was stopped. Work on smaller pieces, or use a container executor.",
    );
    return { outcome, isGone: true };
  }
  if (error instanceof ProtocolError) {
    const outcome = failed(
      "error",
      "harness_broken",
      `The code interfered with the harness that runs it (${message}). Leave the built-in globals as they are.`,
    );
    return { outcome, isGone: true };
  }
  const outcome = failed(
    "lost",
    "isolate_lost",
    `The isolate that ran the code went away (${message}). Retry the task; if it repeats, the code may be what ends the isolate.`,
  );
  return { outcome, isGone: true };
}
