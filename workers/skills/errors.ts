/** What callers are told of skills that are not there, or cannot be as they were sent. */
import { ApiError, type Issue } from "../http/errors.ts";

export function invalidSkill(issues: readonly Issue[]): ApiError {
  return new ApiError("validation_failed", "The skill is not valid; correct what is listed.", {
    issues,
  });
}

export function noSkill(skill: string): ApiError {
  return new ApiError(
    "not_found",
    `No skill with the id or slug "${skill}" exists in the projects of this caller. GET /api/v1/skills lists those that do.`,
  );
}

export function noVersion(slug: string, version: string): ApiError {
  return new ApiError(
    "not_found",
    `The skill "${slug}" has no version "${version}". GET /api/v1/skills/${slug}/versions lists those it has.`,
  );
}

export function ambiguousSkill(slug: string, projects: readonly string[]): ApiError {
  const message = "Name the project that is meant, or give the skill's id.";
  return new ApiError(
    "validation_failed",
    `Several projects have a skill with the slug "${slug}". ${message}`,
    { issues: [{ path: "query.project_id", message }], members: { projects } },
  );
}

export function taken(member: "slug" | "name", value: string): ApiError {
  const instead = member === "slug" ? "PATCH that one for a new version of it" : "PATCH that one";
  return new ApiError(
    "conflict",
    `The project has a skill with the ${member} "${value}" already. ${instead}, or choose another ${member}.`,
    { members: { taken: member } },
  );
}

export function versionTaken(slug: string, version: string): ApiError {
  return new ApiError(
    "conflict",
    `The skill "${slug}" has a version ${version} already, and a version never changes. Choose a higher one, or leave it out.`,
    { members: { taken: "version" } },
  );
}
