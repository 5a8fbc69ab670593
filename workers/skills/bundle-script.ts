/** The script of a bundle that lies in a file of it, where it can be read and run: `script_file` names it. Pure. */
import { z } from "zod";
import type { Issue } from "../http/errors.ts";
import type { Files } from "../tasks/files.ts";
import type { Implementation } from "./content.ts";

const PLACE = "implementation.script_file";

const namingSchema = z.looseObject({
  implementation: z.looseObject({ script_file: z.string() }),
});

/** What `pipelzr.json` says, with the text of the file that it names as the script. */
export function withScript(
  side: unknown,
  textOf: (path: string) => string | null,
): { readonly side: unknown; readonly issues: readonly Issue[] } {
  const { data } = namingSchema.safeParse(side);
  if (data === undefined) return { side, issues: [] };
  const { script_file, ...implementation } = data.implementation;
  const refuse = (message: string) => ({ side, issues: [{ path: PLACE, message }] });
  if ("script" in implementation) {
    return refuse("The script is given beside it. Keep one of the two.");
  }
  const script = textOf(script_file);
  if (script === null) return refuse(`The bundle has no file of text "${script_file}".`);
  return { side: { ...data, implementation: { ...implementation, script } }, issues: [] };
}

/** An implementation as `pipelzr.json` has it: a script that is a file of the skill is named. */
export function withScriptFile(implementation: Implementation | null, files: Files) {
  if (implementation === null || !("script" in implementation)) return implementation;
  const { type, script, ...rest } = implementation;
  const same = [...files].find(
    ([, { content, encoding }]) => encoding === "utf8" && content === script,
  );
  return same === undefined ? implementation : { type, script_file: same[0], ...rest };
}
