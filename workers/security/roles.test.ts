/** Scopes of roles, as they are and as `JWT_ROLE_SCOPES` says. */
import { describe, expect, it } from "vitest";
import { SCOPES } from "./principal.ts";
import { parseRoleScopes, scopesOf, seesAllProjects } from "./roles.ts";

function scopes(text: string | null, ...roles: string[]) {
  const parsed = parseRoleScopes(text);
  expect(parsed.problem).toBe(null);
  return [...scopesOf(roles, parsed.roles ?? new Map())].sort();
}

describe("scopes of roles", () => {
  it("are all for owners and admins, to read for viewers, and none for roles that nobody named", () => {
    expect(scopes(null, "owner")).toEqual([...SCOPES].sort());
    expect(scopes(null, "viewer").every((scope) => scope.endsWith(":read"))).toBe(true);
    expect(scopes(null, "user")).toContain("tasks:execute");
    expect(scopes(null, "user")).not.toContain("keys:admin");
    expect(scopes(null, "viewer")).not.toContain("audit:read");
    expect(scopes(null, "stranger")).toEqual([]);
  });

  it("are what the mapping says for the roles that it names, and stay for the others", () => {
    const mapping = JSON.stringify({ user: ["tasks:*", "skills:read"], ops: ["*:read"], none: [] });
    expect(scopes(mapping, "user")).toEqual([
      ...["skills:read", "tasks:execute", "tasks:read", "tasks:write"],
    ]);
    expect(scopes(mapping, "ops")).toEqual([...scopes(null, "viewer"), "audit:read"].sort());
    expect(scopes(mapping, "none")).toEqual([]);
    expect(scopes(mapping, "none", "user", "ops")).toContain("agents:read");
    expect(scopes(mapping, "owner")).toEqual([...SCOPES].sort());
    expect(scopes('{"root": ["*"]}', "root")).toEqual([...SCOPES].sort());
  });

  it("are refused when a scope is none, or the text is no mapping", () => {
    expect(
      parseRoleScopes('{"user": ["task:*", "tasks:read", "tasks:read:all", "tasks"]}'),
    ).toEqual({
      roles: null,
      problem: expect.stringMatching(
        /^No scope is called "task:\*", "tasks:read:all", "tasks"\. There are: tasks:read, /,
      ),
    });
    for (const text of ["{", "[]", '{"user": "tasks:*"}', '{"user": [1]}', "null"]) {
      expect(parseRoleScopes(text).problem).toMatch(/^It must be JSON of scopes by role/);
    }
  });

  it("say nothing of projects: owners and admins alone see all", () => {
    expect(seesAllProjects(["user", "admin"])).toBe(true);
    expect(seesAllProjects(["user", "viewer"])).toBe(false);
  });
});
