/** The version that a caller names for an invocation. */
import { z } from "@hono/zod-openapi";
import { ApiError } from "../http/errors.ts";
import { DEFAULT_VERSION, parseVersionName, type VersionName } from "./reference.ts";

export const versionSchema = z
  .string()
  .min(1)
  .max(80)
  .optional()
  .openapi({ description: "Number, version, digest or alias; `default` unless said." });

/** Throws `validation_failed` for what can be no version. */
export function versionOf(sent: string | undefined): VersionName {
  if (sent === undefined) return DEFAULT_VERSION;
  const version = parseVersionName(sent);
  if (version !== null) return version;
  throw new ApiError("validation_failed", "The version is none; correct what is listed.", {
    issues: [
      { path: "version", message: "Send a number, a version such as 1.2.0, a digest or an alias." },
    ],
  });
}
