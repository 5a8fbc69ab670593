/** What an attempt comes to, from its exit code and from what its code left in files. */
import { dirname } from "node:path";
import { type Frame, isFrame, type LastFrame } from "../../../../workers/executors/local/frames.ts";
import { AttemptFailed, exitFailure, failed } from "../../../../workers/executors/outcome.ts";
import { parseOutputFile } from "../../../../workers/executors/output-file.ts";
import { MAX_RESULT_BYTES, type Outcome } from "../../../../workers/executors/port.ts";
import { readLeftFile } from "../left-files.ts";

const MEBIBYTE = 1024 * 1024;
/** JSON escapes can double a text that is within its limit; nothing legitimate is longer. */
const MAX_FRAME_BYTES = 2 * MAX_RESULT_BYTES + MEBIBYTE;

/**
 * The text of a file that the code may have written, removed or replaced; null when it is not there,
 * `"large"` beyond `limitBytes`. Its folder is known to be the one that the runner made.
 */
async function readOwnFile(path: string, limitBytes: number): Promise<string | "large" | null> {
  const body = await readLeftFile(path, dirname(path), limitBytes).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new AttemptFailed(
      "error",
      "output_unreadable",
      `What the task returned cannot be read: ${why}. Leave $PIPELZR_OUTPUT readable.`,
    );
  });
  return body === null || body === "large" ? body : body.toString("utf8");
}

/** Of a shell or Python task: `$PIPELZR_OUTPUT` is its result. */
export async function outcomeOfProcess(
  exitCode: number,
  outputPath: string,
  stderrTail: string,
): Promise<Outcome> {
  const text = await readOwnFile(outputPath, MAX_RESULT_BYTES);
  if (text === "large") {
    const message = `$PIPELZR_OUTPUT is above ${MAX_RESULT_BYTES / MEBIBYTE} MiB. Keep large data as artifacts and write their paths.`;
    return failed("error", "output_too_large", message, { exit_code: exitCode });
  }
  const output = parseOutputFile(text ?? "");
  if (exitCode !== 0) return exitFailure(exitCode, stderrTail, output.ok ? output.result : null);
  return output.ok
    ? { status: "completed", result: output.result, exit_code: 0 }
    : failed("error", "output_malformed", output.message, { exit_code: 0 });
}

function isLast(frame: Frame): frame is LastFrame {
  return frame[0] === "completed" || frame[0] === "failed" || frame[0] === "exited";
}

function parseFrame(text: string): LastFrame | null {
  try {
    const value: unknown = JSON.parse(text);
    return isFrame(value) && isLast(value) ? value : null;
  } catch {
    return null;
  }
}

/** Of a script: the frame that its harness left; none when the code ended the process by itself. */
export async function outcomeOfScript(
  exitCode: number,
  framePath: string,
  stderrTail: string,
): Promise<Outcome> {
  const text = await readOwnFile(framePath, MAX_FRAME_BYTES);
  const frame = text === null ? null : parseFrame(text);
  if (frame === null || frame[0] === "exited") {
    return exitCode === 0
      ? { status: "completed", result: null, exit_code: 0 }
      : exitFailure(exitCode, stderrTail);
  }
  if (frame[0] === "completed") {
    return { status: "completed", result: frame[1], exit_code: frame[2] };
  }
  const [, reason, code, message, exit_code, result] = frame;
  return failed(reason, code, message, { exit_code, result });
}
