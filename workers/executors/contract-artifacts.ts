/** The part of the executors' contract that is about the files they keep. */
import { expect, it } from "vitest";
import type { ContractCapabilities } from "./contract.ts";
import { type AttemptResult, inline, text } from "./contract-support.ts";
import { MAX_ARTIFACT_BYTES, type Work } from "./port.ts";

export function artifactTests(
  run: (command: string, work?: Partial<Work>) => Promise<AttemptResult>,
  { byteNames }: Pick<ContractCapabilities, "byteNames">,
): void {
  it("keeps what the globs match, by path relative to the working directory", async () => {
    const { artifacts } = await run(
      "mkdir -p out/deep; echo a > out/a.txt; echo b > out/deep/b.txt; echo c > c.log; echo d > d.txt; echo e > .hidden",
      { working_directory: "w", artifacts: ["out/**", "*.log", ".hidden"] },
    );
    expect([...artifacts.keys()].sort()).toEqual([
      ".hidden",
      "c.log",
      "out/a.txt",
      "out/deep/b.txt",
    ]);
    expect(Buffer.from(artifacts.get("out/deep/b.txt") ?? []).toString()).toBe("b\n");
  });

  it("keeps bytes, also of an empty and of a large file", async () => {
    const bytes = Uint8Array.from({ length: 2_000_001 }, (_, index) => (index * 31) % 256);
    const { artifacts } = await run("cp in.bin out.bin; : > empty", {
      ...inline({
        "in.bin": { content: Buffer.from(bytes).toString("base64"), encoding: "base64" },
      }),
      artifacts: ["out.bin", "empty"],
    });
    expect(Buffer.compare(artifacts.get("out.bin") ?? new Uint8Array(), bytes)).toBe(0);
    expect(artifacts.get("empty")?.byteLength).toBe(0);
  });

  it("keeps the artifacts of a failed command", async () => {
    const { artifacts, outcome } = await run("echo report > r.txt; exit 1", {
      artifacts: ["r.txt"],
    });
    expect(outcome).toMatchObject({ status: "failed", exit_code: 1 });
    expect([...artifacts.keys()]).toEqual(["r.txt"]);
  });

  it("is content with globs that match nothing", async () => {
    const { artifacts, outcome } = await run("true", { artifacts: ["none/**"] });
    expect(outcome).toMatchObject({ status: "completed" });
    expect(artifacts.size).toBe(0);
  });

  it("fails when they are too large together", async () => {
    const count = MAX_ARTIFACT_BYTES / (1024 * 1024) / 4 + 1;
    const { outcome } = await run(
      `for i in $(seq ${count}); do cat block block block block > out-$i; done`,
      { ...inline({ block: text("x".repeat(1024 * 1024)) }), artifacts: ["out-*"] },
    );
    expect(outcome).toMatchObject({ status: "failed", code: "artifacts_too_large" });
  });

  it.each([
    ["a line break", String.raw`a\nb.txt`, String.raw`"sub/a\nb.txt"`],
    ["a backslash", String.raw`a\\b.txt`, String.raw`"sub/a\\b.txt"`],
  ])("fails on a name with %s, which it tells escaped", async (_, name, shown) => {
    const command = `mkdir sub; echo x > ok.txt; echo x > "sub/$(printf '${name}')"`;
    const { outcome } = await run(command, { artifacts: ["**/*.txt"] });
    expect(outcome).toMatchObject({
      status: "failed",
      reason: "error",
      code: "artifact_path_invalid",
      message: expect.stringContaining(`The artifact ${shown} cannot be kept under that name`),
    });
    const other = await run(command, { artifacts: ["*.txt"] });
    expect(other.outcome).toMatchObject({ status: "completed" });
    expect([...other.artifacts.keys()]).toEqual(["ok.txt"]);
  });

  it.runIf(byteNames)("fails on a name that is no UTF-8, also of a folder", async () => {
    for (const name of [String.raw`caf\351.txt`, String.raw`caf\351/a.txt`]) {
      const path = `"$(printf '${name}')"`;
      const command = `mkdir "$(dirname ${path})"; echo x > ${path}`;
      const { outcome } = await run(command, { artifacts: ["**"] });
      expect(outcome).toMatchObject({
        status: "failed",
        code: "artifact_path_invalid",
        message: expect.stringMatching(/"caf(\\xe9|\ufffd).*UTF-8/),
      });
    }
  });
}
