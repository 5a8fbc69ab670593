/** What the operating system can pass to no program. */
import { AttemptFailed } from "../../../workers/executors/outcome.ts";

/** Throws AttemptFailed for a variable that no process can have. */
export function checkVariables(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (!name.includes("\0") && !value.includes("\0")) continue;
    throw new AttemptFailed(
      "error",
      "environment_invalid",
      `The variable ${JSON.stringify(name)} holds a zero byte, which no variable can. Store its value in base64, or as a file.`,
    );
  }
}

/** Throws AttemptFailed for a shell line that no shell can be given. */
export function checkCommand(text: string): void {
  if (!text.includes("\0")) return;
  throw new AttemptFailed(
    "error",
    "command_invalid",
    "The command holds a zero byte, which a shell cannot read. Write it as '\\0' for printf, or keep the bytes in a file.",
  );
}
