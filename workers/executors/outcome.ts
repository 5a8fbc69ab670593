/** How an attempt ended, told the same way by every executor. */
import { SecretsTooLargeError } from "../security/masking.ts";
import { failureLine } from "./failure-line.ts";
import { messageOf } from "./message.ts";
import { outputsSchemaProblem, resultProblems } from "./outputs-schema.ts";
import {
  type AttemptRequest,
  type FailureReason,
  type Json,
  MAX_RESULT_BYTES,
  type Outcome,
  type StopReason,
} from "./port.ts";

export type Failure = Extract<Outcome, { status: "failed" }>;

/** Builds a failed outcome; `message` says what happened and what to do about it. */
export function failed(
  reason: FailureReason,
  code: string,
  message: string,
  detail: { exit_code?: number | null; result?: Json } = {},
): Failure {
  const { exit_code = null, result = null } = detail;
  return { status: "failed", reason, code, message, exit_code, result };
}

/** Ends an attempt from anywhere inside an executor, which turns it into its outcome. */
export class AttemptFailed extends Error {
  readonly outcome: Failure;

  constructor(...failure: Parameters<typeof failed>) {
    super(failure[2]);
    this.name = "AttemptFailed";
    this.outcome = failed(...failure);
  }
}

/** The outcome of an attempt that an error kept from being prepared; `logs` is where more is told. */
export function failureOf(error: unknown, logs: string): Failure {
  if (error instanceof AttemptFailed) return error.outcome;
  if (error instanceof SecretsTooLargeError) return failed("error", error.code, error.message);
  const message = `The attempt could not be prepared: ${messageOf(error)}. Retry it; if it repeats, see ${logs}.`;
  return failed("error", "attempt_not_prepared", message);
}

/** Signals that end a process, by their numbers on Linux, which every executor's processes have. */
const SIGNALS: ReadonlyMap<number, string> = new Map([
  [1, "SIGHUP"],
  [2, "SIGINT"],
  [3, "SIGQUIT"],
  [4, "SIGILL"],
  [5, "SIGTRAP"],
  [6, "SIGABRT"],
  [7, "SIGBUS"],
  [8, "SIGFPE"],
  [9, "SIGKILL (out of memory or a timeout are the usual causes)"],
  [10, "SIGUSR1"],
  [11, "SIGSEGV (the program touched memory that is not its own)"],
  [12, "SIGUSR2"],
  [13, "SIGPIPE (what it wrote to had ended)"],
  [14, "SIGALRM"],
  [15, "SIGTERM"],
  [24, "SIGXCPU (its time on the processor was up)"],
  [25, "SIGXFSZ (a file grew past what the machine allows)"],
  [31, "SIGSYS (it asked the kernel for what is forbidden here)"],
]);
/** Shells, and executors alike, give this and the signal's number for a process that one ended. */
const SIGNAL_BASE = 128;

function codeInWords(exitCode: number): string {
  const signal = SIGNALS.get(exitCode - SIGNAL_BASE);
  return signal === undefined ? `${exitCode}` : `${exitCode}: killed by ${signal}`;
}

/** The outcome of a process that ended by itself with a code other than 0. */
export function exitFailure(exitCode: number, stderrTail: string, result: Json = null): Failure {
  const { text, isLast } = failureLine(stderrTail);
  const where = isLast ? "Last line of stderr" : "From stderr";
  const told = text === "" ? "It wrote nothing to stderr" : `${where}: ${text}`;
  const end = /[.!?]$/.test(told) ? "" : ".";
  return failed(
    "exit",
    "exit_nonzero",
    `Exited with code ${codeInWords(exitCode)}. ${told}${end}`,
    {
      exit_code: exitCode,
      result,
    },
  );
}

/** Reads the reason of the engine's AbortSignal; anything but `"timeout"` is a cancel. */
export function stopReason(signal: AbortSignal): StopReason {
  return signal.reason === "timeout" ? "timeout" : "cancel";
}

/** The outcome of an attempt whose signal was aborted, once its code has stopped. */
export function stopped(
  signal: AbortSignal,
  { timeout_ms }: Pick<AttemptRequest, "timeout_ms">,
): Outcome {
  if (stopReason(signal) === "cancel") return { status: "cancelled" };
  const seconds = Math.round(timeout_ms / 100) / 10;
  return failed(
    "timeout",
    "timeout",
    `Stopped after its time limit of ${seconds} s. Raise timeout_seconds, or let the task do less at once.`,
  );
}

function byteLength(result: Json): number {
  if (typeof result !== "object" && typeof result !== "string") return 0;
  return Buffer.byteLength(JSON.stringify(result));
}

const MEBIBYTE = 1024 * 1024;

/** The failure of a result above MAX_RESULT_BYTES. */
export function resultTooLarge(bytes: number): Failure {
  return failed(
    "error",
    "output_too_large",
    `The result is ${(bytes / MEBIBYTE).toFixed(1)} MiB of JSON; at most ${MAX_RESULT_BYTES / MEBIBYTE} MiB may be returned. Keep large data as artifacts and return their paths.`,
  );
}

/** Holds a completed outcome against the size limit and the task's `outputs` schema. */
export function checkResult(outcome: Outcome, outputs: Json): Outcome {
  if (outcome.status === "cancelled") return outcome;
  const bytes = byteLength(outcome.result);
  if (bytes > MAX_RESULT_BYTES) {
    return outcome.status === "completed" ? resultTooLarge(bytes) : { ...outcome, result: null };
  }
  if (outcome.status === "failed" || outputs === null) return outcome;
  const { exit_code, result } = outcome;
  const schemaInvalid = (why: string) =>
    failed(
      "error",
      "outputs_schema_invalid",
      `The task's outputs schema cannot be applied: ${why}. Correct it to a JSON Schema of draft 2020-12.`,
      { exit_code, result },
    );
  const problem = outputsSchemaProblem(outputs);
  if (problem !== null) return schemaInvalid(problem);
  try {
    const problems = resultProblems(outputs, result);
    if (problems.length === 0) return outcome;
    return failed(
      "error",
      "output_invalid",
      `The result does not match the task's outputs schema. ${problems.join(" ")} Return what the schema asks for, or change the schema.`,
      { exit_code, result },
    );
  } catch (error) {
    return schemaInvalid(error instanceof Error ? error.message : String(error));
  }
}
