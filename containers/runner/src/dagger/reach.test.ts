import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { unreachable } from "./reach.ts";

it("says what is wrong with an address, and nothing when something listens", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pipelzr-reach-"));
  const path = join(folder, "engine.sock");
  const server = createServer();
  try {
    expect(await unreachable(`unix://${path}`)).toMatch(
      /there is no such socket\. Start the engine/,
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await unreachable(`unix://${path}`)).toBeNull();
    expect(await unreachable("tcp://127.0.0.1:1")).toBe(
      "No Dagger engine at tcp://127.0.0.1:1: nothing listens there. Start the engine.",
    );
    expect(await unreachable("container://engine")).toBeNull();
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
