import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig, VARIABLE_NAMES } from "../../workers/config.ts";
import { ensureDevVars } from "./dev-vars.ts";
import { rootPath } from "./paths.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pipelzr-vars-"));
  path = join(folder, "data", ".dev.vars");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("makes a key and a master key once, readable by the owner alone", async () => {
  const first = await ensureDevVars(path);
  expect(first.PIPELZR_DEV_API_KEY).toMatch(/^plz_dev_[\w-]{32}$/);
  const [id, key] = (first.SECRETS_MASTER_KEYS ?? "").split(":");
  expect(id).toBe("k1");
  expect(Buffer.from(key ?? "", "base64")).toHaveLength(32);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await ensureDevVars(path)).toEqual(first);
  expect(() => loadConfig({ ENVIRONMENT: "local", ...first })).not.toThrow();
});

test("adds what a file lacks and keeps what it has", async () => {
  await ensureDevVars(path);
  await writeFile(path, "# mine\nPIPELZR_DEV_API_KEY=mine", { mode: 0o644 });
  const variables = await ensureDevVars(path);
  expect(variables.PIPELZR_DEV_API_KEY).toBe("mine");
  expect(variables.SECRETS_MASTER_KEYS).toMatch(/^k1:/);
  expect(await readFile(path, "utf8")).toMatch(
    /^# mine\nPIPELZR_DEV_API_KEY=mine\nSECRETS_MASTER_KEYS="k1:/,
  );
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("says which file cannot be used, why, and what to do", async () => {
  await expect(ensureDevVars(folder)).rejects.toThrow(
    `The file of variables ${folder} cannot be read and written: a folder is in its place.`,
  );
  await expect(ensureDevVars(folder)).rejects.toThrow("set PIPELZR_DATA_DIR");
});

test(".env.example names every variable of the service, and no other but the supervisor's", async () => {
  const text = await readFile(rootPath(".env.example"), "utf8");
  const named = [...text.matchAll(/^#? ?([A-Z][A-Z0-9_]*)=/gm)].map((match) => match[1]);
  const supervisor = ["HOST", "PORT", "WATCHDOG_MS", "PIPELZR_DATA_DIR"];
  expect(named.sort()).toEqual([...VARIABLE_NAMES, ...supervisor].sort());
});
