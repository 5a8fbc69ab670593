import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { markPrefix } from "../leftovers.ts";
import { markedProcesses } from "../processes.ts";
import { drive } from "./driver.ts";
import { attempts, removeState, stateFolder } from "./test-support.ts";

afterAll(removeState);

it("a driver that cannot be remembered is not left running", async () => {
  const folder = join(attempts, "one");
  // Stands where the file that names the process belongs.
  mkdirSync(`${folder}.pid`, { recursive: true });
  const mark = `${markPrefix(stateFolder)}.one`;
  const job = {
    ...{ id: "one", cli: "none", folder, connect_timeout_ms: 1_000, image: "none", setup: [] },
    ...{ cache_volumes: [], harness: null, directory: "", environment: {}, secrets: {} },
    tree: null,
    ...{ program: "shell" as const, line: "true", artifacts: [] },
    workspace: { kind: "host", path: folder } as const,
    control: { kind: "host", path: folder } as const,
  };
  const options = { environment: { PATH: process.env.PATH ?? "" }, mark, log: () => true };
  await expect(drive(job, options, new AbortController().signal)).rejects.toThrow("EISDIR");
  expect(markedProcesses(mark)).toEqual([]);
});
