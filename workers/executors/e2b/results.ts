/** What the code of an attempt came to, from its exit code and what it wrote. */
import { z } from "zod";
import { exitFailure, failed, resultTooLarge } from "../outcome.ts";
import { parseOutputFile } from "../output-file.ts";
import { FAILURE_REASONS, type Json, MAX_RESULT_BYTES, type Outcome } from "../port.ts";
import type { RemoteProgram, Status } from "./remote.ts";

/** What precedes the result in a frame of the harness takes no more than this. */
const FRAME_MARGIN_BYTES = 1024 * 1024;

/** A frame comes out of JSON.parse, so that any value in it is JSON. */
const json = z.custom<Json>((value) => value !== undefined);
const frameSchema = z.union([
  z.tuple([z.literal("completed"), json, z.int()]),
  z.tuple([
    z.literal("failed"),
    z.enum(FAILURE_REASONS),
    z.string(),
    z.string(),
    z.int().nullable(),
    json,
  ]),
]);

function parseFrame(text: string): z.output<typeof frameSchema> | null {
  try {
    const parsed = frameSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Of a module that ran in Node.js; without a frame it exited by itself. */
async function moduleOutcome(
  program: RemoteProgram,
  { frame: bytes }: Status,
  exitCode: number,
  stderrTail: string,
  signal: AbortSignal,
): Promise<Outcome> {
  if (bytes > MAX_RESULT_BYTES + FRAME_MARGIN_BYTES) return resultTooLarge(bytes);
  const frame = bytes === 0 ? null : parseFrame(await program.ownFile("frame", signal));
  if (frame?.[0] === "completed")
    return { status: "completed", result: frame[1], exit_code: frame[2] };
  if (frame?.[0] === "failed") {
    const [, reason, code, message, exit_code, result] = frame;
    return failed(reason, code, message, { exit_code, result });
  }
  return exitCode === 0
    ? { status: "completed", exit_code: 0, result: null }
    : exitFailure(exitCode, stderrTail);
}

/** Of a shell or Python script, whose result is in the file that $PIPELZR_OUTPUT names. */
async function scriptOutcome(
  program: RemoteProgram,
  { output: bytes }: Status,
  exitCode: number,
  stderrTail: string,
  signal: AbortSignal,
): Promise<Outcome> {
  if (bytes > MAX_RESULT_BYTES) {
    const message = `$PIPELZR_OUTPUT is above ${MAX_RESULT_BYTES / (1024 * 1024)} MiB. Keep large data as artifacts and write their paths.`;
    return failed("error", "output_too_large", message, { exit_code: exitCode });
  }
  const output = parseOutputFile(bytes === 0 ? "" : await program.ownFile("output", signal));
  if (exitCode !== 0) return exitFailure(exitCode, stderrTail, output.ok ? output.result : null);
  return output.ok
    ? { status: "completed", exit_code: 0, result: output.result }
    : failed("error", "output_malformed", output.message, { exit_code: 0 });
}

/** `isModule`: the harness ran it, rather than a shell or Python. */
export async function outcomeOf(
  program: RemoteProgram,
  isModule: boolean,
  status: Status,
  stderrTail: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const { exit_code: exitCode } = status;
  if (exitCode === null) {
    // Code that removes its attempt's folder also removes what tells how it ended.
    const message =
      "How the code ended is not known, since the file that tells it is gone from the sandbox. Let the task leave ~/.pipelzr alone, and retry it.";
    return failed("error", "exit_code_unknown", message);
  }
  const read = isModule ? moduleOutcome : scriptOutcome;
  return read(program, status, exitCode, stderrTail, signal);
}
