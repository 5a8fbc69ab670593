/** What follows from a project. */
import { describe, expect, it } from "vitest";
import { isMember, nameOf, toFetchUrl } from "./projects.ts";

describe("a project", () => {
  it("has its owner and its team as members", () => {
    const project = { id: "p", name: "P", owner_id: "u1", team_ids: ["u2"] };
    expect(["u1", "u2", "u3"].map((user) => isMember(project, user))).toEqual([true, true, false]);
    expect(isMember({ ...project, team_ids: null }, "u2")).toBe(false);
  });

  it("is read over https, also where its address is for ssh", () => {
    const wanted = "https://github.com/acme/shop.git";
    for (const address of [
      wanted,
      "git@github.com:acme/shop.git",
      "ssh://git@github.com/acme/shop.git",
      ` ${wanted} `,
    ]) {
      expect(toFetchUrl(address)).toBe(wanted);
    }
    expect(toFetchUrl("http://user@host.dev/a")).toBe("http://user@host.dev/a");
    expect(toFetchUrl("nothing")).toBe("nothing");
  });

  it("names its codebase by the end of the address", () => {
    expect(nameOf("https://github.com/acme/shop.git")).toBe("acme/shop");
    expect(nameOf("https://git.dev/groups/a/b/c/")).toBe("b/c");
    expect(nameOf("https://files.dev/shop.tar.gz")).toBe("shop");
    expect(nameOf("https://files.dev/")).toBe(null);
    expect(nameOf("nothing")).toBe(null);
  });
});
