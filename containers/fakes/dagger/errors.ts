/** What a query fails with, as the engine puts it on the wire. */

/** A failure whose message the client sees as it is. */
export class EngineError extends Error {
  override readonly name: string = "EngineError";
}

/** Of each stream an error carries the end alone. */
export const EXEC_ERROR_OUTPUT_BYTES = 100 * 1_024;

export interface ExecFailure {
  readonly command: readonly string[];
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A command that ended with a code that `expect` does not allow. */
export class ExecError extends EngineError {
  override readonly name = "ExecError";
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(message: string, failure: ExecFailure) {
    super(message);
    this.extensions = {
      _type: "EXEC_ERROR",
      cmd: failure.command,
      exitCode: failure.exitCode,
      stdout: tail(failure.stdout).trim(),
      stderr: tail(failure.stderr).trim(),
    };
  }
}

/** The mark of a cut is written over the first bytes that are kept, so that the limit holds. */
function tail(output: Buffer): string {
  if (output.length < EXEC_ERROR_OUTPUT_BYTES) return output.toString("utf8");
  const omitted = output.length - EXEC_ERROR_OUTPUT_BYTES;
  const kept = Buffer.from(output.subarray(omitted));
  kept.write(`[omitting ${omitted} bytes]...`);
  return kept.toString("utf8");
}

/** What a request sees whose client, session or engine is gone. */
export function cancelled(): EngineError {
  return new EngineError("context canceled");
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
