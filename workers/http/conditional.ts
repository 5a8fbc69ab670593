/** Conditional requests: an entity's integer version is its `ETag`. */
import { ApiError } from "./errors.ts";

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
