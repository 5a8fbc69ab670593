/** Resolves a task's environment, secrets included, in the moment before its code runs. */
import { AttemptFailed } from "./outcome.ts";
import type { SecretResolver, Work } from "./port.ts";

export interface ResolvedEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  /** Values that may not appear in anything the attempt reports. */
  readonly secretValues: readonly string[];
}

const REFERENCE = /^\$\{\{\s*secrets\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}$/;

/** The secret that an environment value refers to, or null for a plain value. */
export function referencedSecret(value: string): string | null {
  return value.startsWith("${{") ? (REFERENCE.exec(value.trim())?.[1] ?? null) : null;
}

/** Whether the work needs a SecretResolver at all. */
export function usesSecrets(work: Work): boolean {
  if (work.secrets.length > 0) return true;
  for (const name in work.environment) {
    if (referencedSecret(work.environment[name] ?? "") !== null) return true;
  }
  return false;
}

/** Every secret that the work names, by whichever way. */
export function secretNames(work: Work): string[] {
  const referenced = Object.values(work.environment).map(referencedSecret);
  return [...new Set([...work.secrets, ...referenced.filter((name) => name !== null)])];
}

/** Looks every secret up at once; those that do not exist are named in one AttemptFailed. */
export async function resolveEnvironment(
  work: Work,
  projectId: string,
  secrets: SecretResolver,
): Promise<ResolvedEnvironment> {
  const references = new Map(work.secrets.map((name) => [name, name]));
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(work.environment)) {
    const secret = referencedSecret(value);
    if (secret === null) variables[name] = value;
    else references.set(name, secret);
  }
  const values = await secrets.resolve(projectId, [...new Set(references.values())]);
  const missing = [...new Set(references.values())].filter((name) => !values.has(name));
  if (missing.length > 0) {
    const names = missing.map((name) => `"${name}"`).join(", ");
    throw new AttemptFailed(
      "error",
      "secret_not_found",
      `No secret named ${names} exists in project "${projectId}". Store it with POST /api/v1/secrets, or remove it from the task.`,
    );
  }
  for (const [name, secret] of references) variables[name] = values.get(secret) ?? "";
  return { variables, secretValues: [...values.values()].filter((value) => value !== "") };
}
