import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { planHiding } from "./hiding.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-hiding-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plan = (options: Partial<Parameters<typeof planHiding>[0]>) =>
  planHiding({ stateFolder: folder, engines: [], needed: [], ...options });

describe("what a sandbox hides", () => {
  it("is looked at anew each time, with links followed", () => {
    const socketFolder = join(folder, "engine");
    symlinkSync(socketFolder, join(folder, "link"));
    const engines = [`unix://${join(folder, "link", "engine.sock")}`, "tcp://127.0.0.1:1"];
    expect(plan({ engines }).hidden).not.toContain(socketFolder);
    mkdirSync(socketFolder);
    expect(plan({ engines }).hidden).toContain(socketFolder);
  });

  it("is the socket alone where its folder cannot be hidden", () => {
    const { hidden, masked } = plan({ engines: ["unix:///etc/hosts", "unix:///nonexistent.sock"] });
    expect(hidden).not.toContain("/etc");
    expect(hidden).not.toContain("/");
    expect(masked).toEqual(["/etc/hosts"]);
  });

  it("is not what tasks need: where it is and where a link to it stands", () => {
    const [hidden, visible] = [join(folder, "hidden"), "/usr/bin"];
    mkdirSync(hidden);
    writeFileSync(join(hidden, "tool"), "");
    symlinkSync(visible, join(folder, "bin"));
    const needed = [join(hidden, "tool"), join(folder, "bin"), "/usr/bin", join(folder, "none")];
    expect(plan({ needed }).shown).toEqual([
      { source: join(hidden, "tool"), place: join(hidden, "tool") },
      { source: visible, place: join(folder, "bin") },
    ]);
  });
});
