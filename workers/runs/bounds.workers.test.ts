/** What a caller or a task's code can make large must not break the object that keeps it. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { codebasePorts } from "../codebase-index.ts";
import { loadConfig } from "../config.ts";
import { newSeed } from "../http/seed.ts";
import type { Principal } from "../security/principal.ts";
import { TASK_KIND } from "../tasks/kind.ts";
import { createTaskSchema } from "../tasks/schemas.ts";
import { createTaskService } from "../tasks/service.ts";
import { createRunClient } from "./client.ts";
import { chunks, MAX_CHUNK_BYTES } from "./relay.ts";

const principal: Principal = {
  kind: "dev_key",
  id: "bounds",
  name: "bounds",
  scopes: new Set(),
  projects: new Set(["bounds-tests"]),
};
const runs = createRunClient(env.RUN_COORDINATOR, TASK_KIND);
const tasks = createTaskService({
  config: loadConfig(env),
  database: env.DB,
  blobs: env.BLOBS,
  runs,
  codebases: codebasePorts(env),
});

async function create(members: Record<string, unknown>) {
  const parsed = createTaskSchema.parse({ name: "bounds", execute: true, ...members });
  const { files, project_id, execute: _, ...spec } = parsed;
  const input = { spec, files, project_id, execute_wait_ms: 20_000 };
  return tasks.create(principal, newSeed(), input);
}

/** Code that replaces the frame of its own failure. */
const forging = (frame: string) => `
  Array.prototype.toJSON = function () { return this[0] === "failed" ? ${frame} : this };
  export default () => { throw new Error("once") };`;

describe("the size of a definition", () => {
  it("is counted in bytes, as the object's rows are bounded", async () => {
    const wide = { script: "export default () => 1", inputs: "語".repeat(1_000_000) };
    await expect(create(wide)).rejects.toMatchObject({ code: "payload_too_large" });
  });
});

describe("the message of a failure", () => {
  it("is cut when the result that it quotes is large", async () => {
    const { snapshot } = await create({
      script: "export default () => ({ ['k'.repeat(3_000_000)]: 1 })",
      outputs: { type: "object", additionalProperties: false },
    });
    expect(snapshot.run).toMatchObject({ status: "failed", error: { code: "output_invalid" } });
    expect(snapshot.run?.error?.message.length).toBeLessThan(20_000);
    const attempts = await runs.attempts(snapshot.resource.id, null);
    expect(attempts.map(({ state }) => state)).toEqual(["failed"]);
  });

  it("is cut when the code that failed forged it", async () => {
    const { snapshot } = await create({
      script: forging('["failed", "exit", "c".repeat(3e6), "m".repeat(3e6), 1, null]'),
    });
    expect(snapshot.run).toMatchObject({ status: "failed", exit_code: 1 });
    expect(snapshot.run?.error?.message.length).toBeLessThan(20_000);
    expect(snapshot.run?.error?.code.length).toBeLessThan(200);
  });
});

describe("an exit code", () => {
  it("that no process has is refused, so that lists can be read", async () => {
    const { snapshot } = await create({
      script: forging('["failed", "exit", "c", "m", 1e300, null]'),
    });
    expect(snapshot.run?.error?.code).toBe("harness_broken");
    expect(snapshot.run?.exit_code).toBeNull();
  });
});

describe("what lists show", () => {
  it("has a bound on its labels", async () => {
    const labels = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`label-${n}`, "x"]));
    const { success } = createTaskSchema.safeParse({ name: "n", command: "ls", labels });
    expect(success).toBe(false);
  });

  it("goes to D1 in parameters that are bounded in bytes", async () => {
    const row = JSON.stringify("語".repeat(10_000));
    const packed = [...chunks(Array.from({ length: 100 }, () => row))];
    expect(Math.max(...packed.map((chunk) => Buffer.byteLength(chunk)))).toBeLessThanOrEqual(
      MAX_CHUNK_BYTES,
    );
    expect(packed.flatMap((chunk) => JSON.parse(chunk))).toHaveLength(100);
  });
});
