/** Headers of a request for a user, some of which are the values of secrets. */
import { referencedSecret } from "./environment.ts";
import { AttemptFailed } from "./outcome.ts";
import type { SecretResolver } from "./port.ts";

/** Headers as they are sent, and the values that may not appear in anything told. */
export interface ResolvedHeaders {
  readonly headers: Headers;
  readonly secretValues: readonly string[];
}

/**
 * Later headers replace earlier ones of the same name. Throws `AttemptFailed` when a secret does not
 * exist, or a header cannot be sent.
 */
export async function resolveHeaders(
  given: Readonly<Record<string, string>>,
  projectId: string,
  secrets: SecretResolver,
): Promise<ResolvedHeaders> {
  const references = Object.entries(given).map(
    ([name, value]) => [name, value, referencedSecret(value)] as const,
  );
  const names = [...new Set(references.flatMap(([, , secret]) => secret ?? []))];
  const values = await secrets.resolve(projectId, names);
  const missing = names.filter((name) => !values.has(name));
  if (missing.length > 0) {
    throw new AttemptFailed(
      "error",
      "secret_not_found",
      `No secret named ${missing.map((name) => `"${name}"`).join(", ")} exists in project "${projectId}". Store it with POST /api/v1/secrets.`,
    );
  }
  const headers = new Headers();
  for (const [name, value, secret] of references) {
    try {
      headers.set(name, secret === null ? value : (values.get(secret) ?? ""));
    } catch {
      throw new AttemptFailed(
        "error",
        "header_invalid",
        `The header "${name}" cannot be sent: its name or its value holds what HTTP does not allow, such as a line break.`,
      );
    }
  }
  return { headers, secretValues: [...values.values()].filter((value) => value !== "") };
}
