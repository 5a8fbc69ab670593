/** Projects as CommandCentral tells of them, and what follows from that. Pure. */
import { z } from "zod";
import { jsonSchema } from "../http/schemas.ts";

/** What is read of a project; what else it has is kept as it is. */
export const projectSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner_id: z.string(),
  team_ids: z.array(z.string()).nullish(),
  repo_url: z.string().nullish(),
});
export type Project = Readonly<z.output<typeof projectSchema>>;

/** A project as callers of this service see it. */
export const shownProjectSchema = z.record(z.string(), jsonSchema);

/** Whether a user owns the project, or is of its team. */
export function isMember({ owner_id, team_ids }: Project, userId: string): boolean {
  return owner_id === userId || (team_ids ?? []).includes(userId);
}

/** `git@host:path`, and `ssh://git@host/path`. */
const SSH = /^(?:ssh:\/\/)?(?:[\w.-]+@)([\w.-]+)(?::(?!\d+\/)|\/)(.+)$/;

/** The address by which a repository is read over https; one that is of another kind as it is. */
export function toFetchUrl(address: string): string {
  const [, host, path] = SSH.exec(address.trim()) ?? [];
  return host === undefined || path === undefined ? address.trim() : `https://${host}/${path}`;
}

/** What a codebase of a repository is called: the last two parts of the address's path. */
export function nameOf(address: string): string | null {
  const path = URL.parse(address)?.pathname ?? "";
  const parts = path
    .replace(/\/+$/, "")
    .replace(/\.(?:git|zip|tgz|tar|tar\.gz)$/i, "")
    .split("/")
    .filter((part) => part !== "");
  return parts.length === 0 ? null : parts.slice(-2).join("/");
}
