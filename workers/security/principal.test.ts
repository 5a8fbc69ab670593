import { describe, expect, it } from "vitest";
import { callerOf, maySee, principalOf } from "./principal.ts";

describe("who acts for a caller that is gone", () => {
  it("is called as the caller was, in one project, with what it was left", () => {
    for (const by of ["api_key:01a2", "user:mail:a@b.example", "dev_key:dev", "pipeline:01a2"]) {
      const principal = principalOf({ by, grants: ["tasks:read", "no:scope"] }, "alpha");
      expect(callerOf(principal)).toBe(by);
      expect([...principal.scopes]).toEqual(["tasks:read"]);
      expect(maySee(principal, "alpha")).toBe(true);
      expect(maySee(principal, "beta")).toBe(false);
    }
  });
});
