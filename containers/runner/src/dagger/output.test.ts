/** Output that is long, or whose records do not all come: nothing is missing and nothing comes twice. */
import { afterAll, describe, expect, it } from "vitest";
import { LOG_CUT_MARKER } from "../../../../workers/executors/attempt-output.ts";
import { MAX_LOG_BYTES } from "../../../../workers/executors/port.ts";
import { removeState, startWork } from "./test-support.ts";

afterAll(removeState);

const lines = (count: number) =>
  Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");

describe("output", () => {
  it("of 100,000 lines comes whole, in order and while it is written", async () => {
    const running = startWork({ command: "seq 100000; echo end >&2; read never < <(sleep 1000)" });
    await running.logged("\n100000\n");
    expect(running.hasEnded()).toBe(false);
    running.abort("cancel");
    const { stdout } = await running.ended;
    expect(stdout).toBe(lines(100_000));
  });

  it("comes whole when its stream is cut again and again", async () => {
    const { outcome, stdout, stderr } = await startWork(
      { command: "for i in 1 2 3 4 5 6; do echo $i; echo e$i >&2; sleep 0.1; done" },
      { faults: { cutLogStream: { afterEvents: 1, times: 4 } } },
    ).ended;
    expect(outcome).toMatchObject({ status: "completed" });
    expect([stdout, stderr]).toEqual([lines(6), lines(6).replaceAll(/^(?=\d)/gm, "e")]);
  });

  it("comes from the engine's files when there is no stream at all", async () => {
    const { stdout, stderr } = await startWork(
      { command: "seq 20000; echo grün >&2" },
      { faults: { cutLogStream: { afterEvents: 0, times: 1_000 } } },
    ).ended;
    expect(stdout).toBe(lines(20_000));
    expect(stderr).toBe("grün\n");
  });

  it("is cut at the limit, also where it is read from the engine's files", async () => {
    const { outcome, stdout } = await startWork(
      { command: `head -c ${MAX_LOG_BYTES + 1_000_000} /dev/zero | tr '\\0' x` },
      { faults: { cutLogStream: { afterEvents: 0, times: 1_000 } } },
    ).ended;
    expect(outcome).toMatchObject({ status: "completed" });
    expect(stdout.length).toBeLessThanOrEqual(MAX_LOG_BYTES + LOG_CUT_MARKER.length);
    expect(stdout.length).toBeGreaterThanOrEqual(MAX_LOG_BYTES);
    expect(stdout.endsWith(LOG_CUT_MARKER)).toBe(true);
  });

  it("is what it is when it is no text", async () => {
    const { stdout } = await startWork({
      command: "printf 'a\\377\\303b\\n'; printf '\\303'; sleep 0.1; printf '\\244\\n'",
    }).ended;
    expect(stdout).toBe("a\ufffd\ufffdb\nä\n");
  });

  it("of what the task removed is still there", async () => {
    const { outcome, stdout } = await startWork({
      command: "echo before; rm -rf /run/pipelzr/*; echo after",
    }).ended;
    expect(stdout).toBe("before\nafter\n");
    expect(outcome).toMatchObject({ status: "completed", exit_code: 0, result: null });
  });
});
