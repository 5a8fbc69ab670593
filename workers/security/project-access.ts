/**
 * Which projects a user has whose token names none. CommandCentral knows, which this layer cannot
 * ask: the service that does is wired from above. Who has a key, or a token with projects, never
 * waits for that.
 */
import { z } from "zod";
import type { AppContext } from "../http/context.ts";
import { readCredential } from "./credentials.ts";
import type { Principal } from "./principal.ts";

export interface ProjectAccess {
  /**
   * The user with the projects that it has. `named` are those that the request is about. Throws
   * `unavailable` when that cannot be told now, and must be.
   */
  admit(principal: Principal, token: string, named: readonly string[]): Promise<Principal>;
}

declare module "../http/context.ts" {
  interface Services {
    readonly projectAccess: ProjectAccess;
  }
}

const namingSchema = z.object({ project_id: z.string() });
const inputSchema = z.object({ params: z.unknown(), query: z.unknown(), body: z.unknown() });

/** Projects that a validated request names. */
export function namedIn(input: unknown): readonly string[] {
  const parts = inputSchema.partial().safeParse(input);
  const { params, query, body } = parts.data ?? {};
  const found = [params, query, body].flatMap((part) => {
    const naming = namingSchema.safeParse(part);
    return naming.success ? [naming.data.project_id] : [];
  });
  return [...new Set(found)];
}

/** The caller with its projects. Throws `unavailable` as `admit` does. */
export async function withProjects(
  c: AppContext,
  principal: Principal,
  named: readonly string[],
): Promise<Principal> {
  const token = principal.projects_from === "defaults" ? readCredential(c.req.raw.headers) : null;
  if (token === null) return principal;
  const admitted = await c.get("services").projectAccess.admit(principal, token, named);
  if (admitted.projects_from !== "defaults") c.set("projectsFrom", admitted.projects_from);
  return admitted;
}
