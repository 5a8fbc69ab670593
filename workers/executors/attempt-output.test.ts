import { describe, expect, it } from "vitest";
import { ArtifactsTooLarge, AttemptOutput, LOG_CUT_MARKER } from "./attempt-output.ts";
import { exitFailure } from "./outcome.ts";
import { type LogStream, MAX_ARTIFACT_BYTES, MAX_LOG_BYTES } from "./port.ts";

function collect(secrets: string[] = []) {
  const log: [LogStream, string][] = [];
  const artifacts: string[] = [];
  const output = new AttemptOutput(
    {
      log: (stream, text) => void log.push([stream, text]),
      artifact: async (path) => void artifacts.push(path),
    },
    secrets,
  );
  const text = () => log.map(([, chunk]) => chunk).join("");
  return { output, log, artifacts, text };
}

const done = { status: "completed", exit_code: 0, result: null } as const;

describe("AttemptOutput", () => {
  it("hands output over as it comes", () => {
    const { output, log } = collect();
    output.log("stdout", "a");
    output.log("stderr", "b");
    output.log("stdout", "");
    expect(log).toEqual([
      ["stdout", "a"],
      ["stderr", "b"],
    ]);
  });

  it("cuts both streams together at the limit, between characters, and says so once", () => {
    const { output, text, log } = collect();
    output.log("stdout", "x".repeat(MAX_LOG_BYTES - 3));
    output.log("stderr", "éé");
    output.log("stdout", "dropped");
    output.settle(done, null);
    expect(text()).toBe(`${"x".repeat(MAX_LOG_BYTES - 3)}é${LOG_CUT_MARKER}`);
    expect(log.at(-1)?.[0]).toBe("stderr");
  });

  it("does not cut what fits exactly", () => {
    const { output, text } = collect();
    output.log("stdout", "é".repeat(MAX_LOG_BYTES / 2));
    expect(text()).not.toContain(LOG_CUT_MARKER);
  });

  it("masks each stream for itself, over chunks, and flushes at the end", () => {
    const { output, log } = collect(["hunter2secret"]);
    output.log("stdout", "a hunter2");
    output.log("stderr", "secret");
    output.log("stdout", "secret z hunter2");
    output.settle(done, null);
    const of = (stream: LogStream) =>
      log
        .filter(([s]) => s === stream)
        .map(([, text]) => text)
        .join("");
    expect(of("stdout")).toBe("a *** z hunter2");
    expect(of("stderr")).toBe("secret");
  });

  it("masks result and message", () => {
    const { output } = collect(["hunter2secret"]);
    output.log("stderr", "is hunter2secret\n");
    const failure = exitFailure(1, "is hunter2secret", { at: ["hunter2secret"] });
    expect(output.settle(failure, null)).toEqual({
      ...failure,
      message: "Exited with code 1. Last line of stderr: is ***.",
      result: { at: ["***"] },
    });
  });

  it("remembers the end of stderr, masked", () => {
    const { output } = collect(["hunter2secret"]);
    output.log("stderr", `${"x".repeat(5_000)}\nhunter2secret end\n`);
    expect(output.stderrTail.endsWith("\n*** end\n")).toBe(true);
    expect(output.stderrTail.length).toBeLessThanOrEqual(2_000);
  });

  it("keeps artifacts up to the limit, all together", async () => {
    const { output, artifacts } = collect();
    const half = new Uint8Array(MAX_ARTIFACT_BYTES / 2);
    await output.artifact("a", half);
    await output.artifact("b", half);
    await expect(output.artifact("c", new Uint8Array(1))).rejects.toThrow(ArtifactsTooLarge);
    expect(artifacts).toEqual(["a", "b"]);
  });

  it("masks the paths of artifacts, each file under a path of its own", async () => {
    const { output, artifacts } = collect(["hunter2secret", "swordfish"]);
    const paths = [
      "out/hunter2secret.txt",
      "out/*** (2).txt",
      "out/swordfish.txt",
      "a.b/hunter2secret",
      "a.b/swordfish",
      "out/hunter2secret.txt",
      "a/.hunter2secret",
      "a/.swordfish",
      "plain.txt",
    ];
    for (const path of paths) await output.artifact(path, new Uint8Array(1));
    expect(artifacts).toEqual([
      "out/***.txt",
      "out/*** (2).txt",
      "out/*** (3).txt",
      "a.b/***",
      "a.b/*** (2)",
      "out/***.txt",
      "a/.***",
      "a/.*** (2)",
      "plain.txt",
    ]);
  });

  it("names the artifact that is too large by its masked path", async () => {
    const { output } = collect(["hunter2secret"]);
    const tooLarge = new Uint8Array(MAX_ARTIFACT_BYTES + 1);
    await expect(output.artifact("hunter2secret.bin", tooLarge)).rejects.toThrow('at "***.bin"');
  });
});
