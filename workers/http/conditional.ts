/** Conditional requests: an entity's integer version is its `ETag`. */
import { z } from "@hono/zod-openapi";
import { ApiError } from "./errors.ts";

/** The headers of a request that changes what its sender has read. */
export const matchHeader = z.object({ "if-match": z.string().max(200).optional() });
/** The headers of a request for what its sender may have already. */
export const freshHeader = z.object({ "if-none-match": z.string().max(200).optional() });

/** Throws when the revision is not the one that the caller means. */
export type Match = (revision: number) => void;

/** The check that `If-Match` asks for; null when it is not there. */
export function matchOf(ifMatch: string | undefined): Match | null {
  return ifMatch === undefined ? null : (revision) => requireMatch(ifMatch, revision);
}

/** `7` is `"v7"`. */
export function etag(version: number): string {
  return `"v${version}"`;
}

/** Throws `precondition_failed` when `If-Match` names another version than the current one. */
export function requireMatch(ifMatch: string | undefined, version: number): void {
  if (ifMatch === undefined || matches(ifMatch, version)) return;
  throw new ApiError(
    "precondition_failed",
    `The resource changed since you read it: it is at ${etag(version)}, and If-Match names ${ifMatch.slice(0, 100)}. Read it again and repeat the change.`,
    { headers: { ETag: etag(version) }, members: { current_etag: etag(version) } },
  );
}

/** Whether `If-None-Match` says that the caller has this version: answer 304 then. */
export function isFresh(ifNoneMatch: string | undefined, version: number): boolean {
  return ifNoneMatch !== undefined && matches(ifNoneMatch, version);
}

/** The 304 of a resource that the caller has. */
export function notModified(version: number): Response {
  return new Response(null, { status: 304, headers: { ETag: etag(version) } });
}

function matches(header: string, version: number): boolean {
  if (header.trim() === "*") return true;
  return header
    .split(",")
    .some((candidate) => candidate.trim().replace(/^W\//, "") === etag(version));
}
