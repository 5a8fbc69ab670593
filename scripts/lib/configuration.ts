/** Says what is wrong with the service's variables before it starts, instead of in each answer. */
import { type Config, loadConfig } from "../../workers/config.ts";
import { ApiError, type Issue } from "../../workers/http/errors.ts";
import { secretCipher } from "../../workers/security/crypto.ts";
import { authenticationSettings } from "../../workers/security/settings.ts";
import type { Variables } from "./dev-vars.ts";

/** Longer values than any that is right are shown by their beginning. */
const SHOWN_CHARACTERS = 40;

function issuesOf(error: unknown): readonly Issue[] {
  if (!(error instanceof ApiError)) throw error;
  return error.issues.length > 0 ? error.issues : [{ path: "", message: error.detail }];
}

async function problemsOf(config: Config): Promise<string[]> {
  const problems = authenticationSettings(config).problems.map(
    ({ variable, message }) => `${variable}: ${message}`,
  );
  try {
    await secretCipher(config);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problems.push(`SECRETS_MASTER_KEYS: ${error.detail}`);
  }
  return problems;
}

/** Each problem of the variables of a local service, with what to do; none when it can be started. */
export async function configurationProblems(variables: Variables): Promise<string[]> {
  let config: Config;
  try {
    config = loadConfig({ ...variables, ENVIRONMENT: "local" });
  } catch (error) {
    // Only numbers, flags and choices can be malformed: no secret is shown.
    return issuesOf(error).map(({ path, message }) => {
      const value = (variables[path] ?? "").slice(0, SHOWN_CHARACTERS);
      return `${path} is "${value}": ${message}`;
    });
  }
  return problemsOf(config);
}
