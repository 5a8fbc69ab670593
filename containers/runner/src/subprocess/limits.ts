/** What one process of a task may use; set by the shell that starts it, inherited by all it starts. */

import { limitOfMark } from "../processes.ts";

const MEBIBYTE = 1024 * 1024;

export interface Limits {
  /** Memory that a process has for itself; address space that is only reserved does not count. */
  readonly memoryMib: number;
  /** Processes and threads of the runner's user, all together. Root has no such limit. */
  readonly processes: number;
  readonly fileMib: number;
}

export const DEFAULT_LIMITS: Limits = { memoryMib: 4_096, processes: 4_096, fileMib: 8_192 };

/** Bash counts memory and files in KiB. Where a stricter limit is set already, that one stays. */
const LIMITED = [
  "ulimit -c 0",
  ...["d", "u", "f", "x"].map((limit, index) => `ulimit -${limit} "$${index + 1}" 2>/dev/null`),
  'shift 4; exec "$@"',
].join("; ");

/** The command that runs `command` within the limits, and carries the mark in that on file locks. */
export function withLimits(
  bash: string,
  { memoryMib, processes, fileMib }: Limits,
  mark: string,
  command: readonly string[],
): string[] {
  const kib = (mib: number) => String((mib * MEBIBYTE) / 1024);
  const values = [kib(memoryMib), String(processes), kib(fileMib), limitOfMark(mark)];
  return [bash, "-c", LIMITED, "bash", ...values, ...command];
}
