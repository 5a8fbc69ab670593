/** `npm run lockfile`: adds to package-lock.json the optional platform packages that npm left out. */
import { readFileSync, writeFileSync } from "node:fs";
import { completeLockfile, lockfileSchema, missingOptionalPackages } from "./lib/lockfile.ts";
import { rootPath } from "./lib/paths.ts";

const path = rootPath("package-lock.json");
const text = readFileSync(path, "utf8");
const missing = missingOptionalPackages(lockfileSchema.parse(JSON.parse(text)));
if (missing.length > 0) writeFileSync(path, completeLockfile(text));
console.log(
  missing.length === 0
    ? "package-lock.json is complete."
    : `Added ${missing.length} optional platform packages to package-lock.json.`,
);
