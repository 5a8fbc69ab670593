/** Reads what the SDK throws, by shape: its classes are not loaded together with its errors' users. */
import { z } from "zod";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";

const execSchema = z.object({ name: z.literal("ExecError"), exitCode: z.int() });

/** The exit code of a command that the engine counts as an error; null for any other error. */
export function execExitCode(error: unknown): number | null {
  const parsed = execSchema.safeParse(error);
  return parsed.success ? parsed.data.exitCode : null;
}

/** An answer of the engine; without `errors` it is one of the CLI, whose engine is gone. */
const refusalSchema = z.object({
  name: z.enum(["GraphQLRequestError", "ExecError"]),
  message: z.string(),
  stderr: z.string().default(""),
  response: z.object({ errors: z.array(z.unknown()).min(1) }).optional(),
});
/** Of use to whoever has the engine's traces alone. */
const TRACE = / \[traceparent:[^\]]*\]/g;
/** How the engine answers when it, or the way to it, ends while it works. */
const ENDING =
  /context canceled|error reading from server|transport is closing|connection (reset|refused)|client disconnected|\bEOF\b/;

/** What the engine refuses, in its words; null when it has gone or the way to it. */
export function refusal(error: unknown): string | null {
  const parsed = refusalSchema.safeParse(error);
  if (!parsed.success) return null;
  const { name, message, response, stderr } = parsed.data;
  if (name === "GraphQLRequestError" && response === undefined) return null;
  if (ENDING.test(message)) return null;
  const last = stderr.trimEnd().split("\n").at(-1)?.trim() ?? "";
  return `${message.replace(TRACE, "")}${last === "" ? "" : `, ${last}`}`;
}

/** The failure of an attempt whose engine went away; nobody knows what its code has done by then. */
export function engineLost(during: string): AttemptFailed {
  return new AttemptFailed(
    "lost",
    "engine_lost",
    `The Dagger engine went away ${during}. Retry the task; if it repeats, see the engine's log, and whether it runs out of memory or disk.`,
  );
}

/** Turns what the SDK throws into the failure of an attempt: `refused` explains the engine's words. */
export function engineFailure(
  error: unknown,
  during: string,
  refused: (words: string) => AttemptFailed,
): AttemptFailed {
  if (error instanceof AttemptFailed) return error;
  const words = refusal(error);
  return words === null ? engineLost(during) : refused(words);
}
