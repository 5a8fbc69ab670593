import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { FatalError } from "./errors.ts";
import { openStateFolder } from "./state-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-state-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MODULE = join(import.meta.dirname, "state-folder.ts");
/** Opens the folder when `go` is there, says how that went, and lives until its input ends. */
const OPENING = `
  const { openStateFolder } = await import(process.argv[1]);
  const { existsSync } = await import("node:fs");
  console.log("ready");
  while (!existsSync(process.argv[3]));
  try { openStateFolder(process.argv[2]); console.log("won"); } catch (error) { console.log("lost", error.message); }
  process.stdin.resume();
`;

describe("a state folder", () => {
  it("is one process's at a time, also when many find what a dead one left", async () => {
    const state = join(folder, "raced");
    const go = join(folder, "go");
    mkdirSync(state);
    writeFileSync(join(state, "lock"), "1:0");
    const said = new Map<ChildProcess, string>();
    const children = Array.from({ length: 4 }, () => {
      const args = ["--input-type=module", "-e", OPENING, MODULE, state, go];
      const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
      said.set(child, "");
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said.set(child, said.get(child) + text);
      });
      return child;
    });
    const all = (pattern: RegExp) => [...said.values()].every((text) => pattern.test(text));
    try {
      await vi.waitUntil(() => all(/ready/), { timeout: 20_000 });
      writeFileSync(go, "");
      await vi.waitUntil(() => all(/won|lost/), { timeout: 20_000 });
      expect([...said.values()].filter((text) => text.includes("won"))).toHaveLength(1);
      expect(all(/won|already uses/)).toBe(true);
      expect(readdirSync(state).sort()).toEqual(["attempts", "lock"]);
    } finally {
      for (const child of children) child.kill("SIGKILL");
    }
  });

  it("is given back, unless it is another's by now", () => {
    const state = join(folder, "released");
    const lock = join(state, "lock");
    openStateFolder(state).release();
    expect(existsSync(lock)).toBe(false);
    const { release } = openStateFolder(state);
    expect(() => openStateFolder(state)).toThrow(FatalError);
    writeFileSync(lock, "1:0");
    release();
    expect(existsSync(lock)).toBe(true);
  });
});
