/** Which version of Dagger the runner is made for: package.json says it once, for all that has one. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { rootPath } from "../../../../scripts/lib/paths.ts";

const packageSchema = z.object({ dependencies: z.object({ "@dagger.io/dagger": z.string() }) });

/** Of the SDK; CLI and engine have the same. */
export const SDK_VERSION = packageSchema.parse(
  JSON.parse(readFileSync(rootPath("package.json"), "utf8")),
).dependencies["@dagger.io/dagger"];
/** What the SDK itself asks of an engine. */
export const OLDEST_ENGINE = [0, 19] as const;
