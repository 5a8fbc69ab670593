import { describe, expect, it } from "vitest";
import { ArtifactsTooLarge } from "../attempt-output.ts";
import { MAX_ARTIFACT_BYTES } from "../port.ts";
import { Artifacts } from "./artifact-parts.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("Artifacts", () => {
  it("joins parts and keeps the file once it is complete", async () => {
    const kept: [string, string][] = [];
    const artifacts = new Artifacts(
      async (path, body) => void kept.push([path, Buffer.from(body).toString()]),
    );
    expect(artifacts.take("a", base64("one "), false)).toBeUndefined();
    await artifacts.take("a", base64("two"), true);
    await artifacts.take("b", "", true);
    expect(kept).toEqual([
      ["a", "one two"],
      ["b", ""],
    ]);
  });

  it.each(["../a", "/a", "a/../b", ""])("refuses the path %j", (path) => {
    expect(() => new Artifacts(async () => {}).take(path, "", true)).toThrow(
      "outside the workspace",
    );
  });

  it("refuses parts that never complete", () => {
    const artifacts = new Artifacts(async () => {});
    const part = Buffer.alloc(MAX_ARTIFACT_BYTES / 2 + 1).toString("base64");
    artifacts.take("a", part, false);
    expect(() => artifacts.take("a", part, false)).toThrow(/exceed 64 MiB/);
  });

  it.each([
    [new ArtifactsTooLarge("a"), "artifacts_too_large"],
    [new Error("store is down"), "artifact_not_stored"],
  ])("explains %s", async (error, code) => {
    const artifacts = new Artifacts(() => Promise.reject(error));
    await expect(artifacts.take("a", "", true)).rejects.toMatchObject({
      outcome: { reason: "error", code, message: expect.stringContaining('"a"') },
    });
  });
});
