import { describe, expect, it } from "vitest";
import { FatalError } from "../errors.ts";
import {
  chooseIsolation,
  describeIsolation,
  findExecutable,
  sandboxArguments,
} from "./isolation.ts";

const PLAN = {
  writable: ["/state/attempts/1/workspace", "/state/attempts/1/control"],
  directory: "/state/attempts/1/workspace/sub",
  temporary: "/state/attempts/1/tmp",
  hidden: ["/home/me", "/state"],
  masked: ["/engine.sock"],
  mounted: [{ source: "/state/trees/1/tree", place: "/state/attempts/1/workspace/code" }],
  shown: [{ source: "/opt/node", place: "/home/me/node" }],
  hasNetwork: false,
};

describe("isolation", () => {
  it("mounts what hides before what it shows of it", () => {
    const args = sandboxArguments(PLAN).join(" ");
    expect(args).toContain("--unshare-net");
    expect(args).toMatch(
      /--ro-bind \/ \/ .*--bind \S+tmp \/tmp --tmpfs \/home\/me --tmpfs \/state --ro-bind \/dev\/null \/engine.sock --ro-bind-try \/opt\/node \/home\/me\/node --bind \/state\/attempts\/1\/workspace \S+ --bind \/state\/attempts\/1\/control \S+ --ro-bind \/state\/trees\/1\/tree \/state\/attempts\/1\/workspace\/code --chdir \/state\/attempts\/1\/workspace\/sub$/,
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
    const chosen = chooseIsolation("bubblewrap", "/bin/false");
    await expect(chosen).rejects.toThrow("--isolation none");
    // Anything else would be told with a stack, and started again and again.
    await expect(chosen).rejects.toBeInstanceOf(FatalError);
  });

  it("finds executables in the order of the path", () => {
    expect(findExecutable("bash", "/nonexistent::/bin:/usr/bin")).toBe("/bin/bash");
    expect(findExecutable("no-such-command", "/bin")).toBeNull();
  });
});
