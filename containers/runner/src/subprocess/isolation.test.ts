import { describe, expect, it } from "vitest";
import {
  chooseIsolation,
  describeIsolation,
  findExecutable,
  sandboxArguments,
} from "./isolation.ts";

const PLAN = {
  folder: "/state/attempts/1",
  directory: "/state/attempts/1/workspace/sub",
  temporary: "/state/attempts/1/tmp",
  hidden: ["/home/me", "/state"],
  shown: ["/home/me/node"],
  hasNetwork: false,
};

describe("isolation", () => {
  it("mounts what hides before what it shows of it", () => {
    const args = sandboxArguments(PLAN).join(" ");
    expect(args).toContain("--unshare-net");
    expect(args).toMatch(
      /--ro-bind \/ \/ .*--bind \S+tmp \/tmp --tmpfs \/home\/me --tmpfs \/state --ro-bind-try \/home\/me\/node \S+ --bind \/state\/attempts\/1 \S+ --chdir \/state\/attempts\/1\/workspace\/sub$/,
    );
    expect(sandboxArguments({ ...PLAN, hasNetwork: true })).not.toContain("--unshare-net");
  });

  it("is none, with the reason, where bubblewrap does not work", async () => {
    const broken = await chooseIsolation("auto", "/bin/false");
    expect(broken).toMatchObject({ kind: "none", why: expect.stringContaining("does not work") });
    expect(describeIsolation(broken)).toContain("NOT ISOLATED");
    expect(await chooseIsolation("none", "/bin/true")).toMatchObject({ kind: "none" });
    expect(await chooseIsolation("auto", "/bin/true")).toEqual({
      kind: "bubblewrap",
      path: "/bin/true",
    });
  });

  it("that is asked for and cannot be had is an error", async () => {
    await expect(chooseIsolation("bubblewrap", "/bin/false")).rejects.toThrow("--isolation none");
  });

  it("finds executables in the order of the path", () => {
    expect(findExecutable("bash", "/nonexistent::/bin:/usr/bin")).toBe("/bin/bash");
    expect(findExecutable("no-such-command", "/bin")).toBeNull();
  });
});
