import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readWorkerOptions } from "./worker-options.ts";

test("neither .dev.vars nor .env beside wrangler.toml is read, and nobody says that they are", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pipelzr-options-"));
  const printed = vi.spyOn(console, "log").mockImplementation(() => undefined);
  try {
    const config = join(folder, "wrangler.toml");
    await writeFile(config, 'name = "w"\nmain = "w.js"\ncompatibility_date = "2026-11-01"\n');
    await writeFile(join(folder, ".dev.vars"), "APP_NAME=of-dev-vars\n");
    await writeFile(join(folder, ".env"), "APP_NAME=of-dot-env\n");
    const { options, main } = readWorkerOptions(config);
    expect(JSON.stringify(options)).not.toContain("APP_NAME");
    expect(main).toBe(join(folder, "w.js"));
    expect(printed).not.toHaveBeenCalled();
  } finally {
    printed.mockRestore();
    await rm(folder, { recursive: true, force: true });
  }
});
