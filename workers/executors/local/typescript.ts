/** Removes the types of a TypeScript task; lines keep their numbers, so that stacks stay right. */
import { transform } from "sucrase";
import { AttemptFailed } from "../outcome.ts";

/** Returns JavaScript; throws AttemptFailed with the place of a syntax error. */
export function stripTypes(script: string): string {
  try {
    return transform(script, { transforms: ["typescript"], disableESTransforms: true }).code;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AttemptFailed(
      "exit",
      "script_invalid",
      `The TypeScript cannot be parsed: ${why}. Correct the script at that place.`,
      { exit_code: 1 },
    );
  }
}
