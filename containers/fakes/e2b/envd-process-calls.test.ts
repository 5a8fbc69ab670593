/** What can be asked of envd's processes beside following them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bash, create, eventually, type Handle, outputOf, unary } from "./fixture.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

let fake: FakeE2B;
let box: Handle;
beforeAll(async () => {
  fake = await startFakeE2B();
});
afterAll(() => fake.stop());
beforeEach(async () => {
  box = await create(fake);
});

const base64 = (text: string) => Buffer.from(text).toString("base64");
const processes = async () => (await unary(fake, box, "process.Process/List", {})).json();
const isAlive = async (pid: number) =>
  (await outputOf(fake, box, `kill -0 ${pid} 2>/dev/null && echo yes || echo no`)) === "yes\n";

describe("the unary calls", () => {
  it("List shows what runs, and nothing when nothing does", async () => {
    expect(await processes()).toEqual({});
    const run = await bash(fake, box, "sleep 30", { tag: "t", process: { cwd: "/tmp" } });
    const pid = await run.pid();
    const config = { cmd: "/bin/bash", args: ["-l", "-c", "sleep 30"], cwd: "/tmp" };
    expect(await processes()).toEqual({ processes: [{ config, pid, tag: "t" }] });
    run.detach();
  });

  it("SendSignal reaches the one process and not its group", async () => {
    const line = "trap 'echo term; exit 9' TERM; sleep 30 & echo $!; wait";
    for (const [signal, end] of [
      ["SIGNAL_SIGTERM", { exitCode: 9 }],
      [9, { exitCode: -1, status: "signal: killed" }],
    ] as const) {
      const run = await bash(fake, box, line);
      const pid = await run.pid();
      await run.until("\n");
      const child = Number(run.stdout.toString());
      const sent = await unary(fake, box, "process.Process/SendSignal", {
        process: { pid },
        signal,
      });
      expect(sent.status).toBe(200);
      expect(await sent.json()).toEqual({});
      expect((await run.rest()).at(-1)).toMatchObject({ end });
      expect(await isAlive(pid)).toBe(false);
      expect(await isAlive(child)).toBe(true);
    }
  });

  it("a group can be ended by a command, its leader being the process", async () => {
    const run = await bash(fake, box, "sleep 30 & echo $!; wait");
    const pid = await run.pid();
    await run.until("\n");
    await (await bash(fake, box, `kill -TERM -- -${pid}`)).rest();
    expect((await run.rest()).at(-1)).toMatchObject({ end: { status: "signal: terminated" } });
    await eventually(() => isAlive(Number(run.stdout.toString()))).toBe(false);
  });

  it("SendInput and CloseStdin feed a process that has an input", async () => {
    const run = await bash(fake, box, "cat", { stdin: true });
    const process = { pid: await run.pid() };
    const input = { stdin: base64("héllo") };
    expect((await unary(fake, box, "process.Process/SendInput", { process, input })).status).toBe(
      200,
    );
    expect((await unary(fake, box, "process.Process/CloseStdin", { process })).status).toBe(200);
    await run.rest();
    expect(run.stdout.toString()).toBe("héllo");
    const deaf = await bash(fake, box, "cat; exec sleep 30");
    const refused = await unary(fake, box, "process.Process/SendInput", {
      process: { pid: await deaf.pid() },
      input,
    });
    expect(refused.status).toBe(500);
    expect(await refused.json()).toMatchObject({ code: "internal" });
    deaf.detach();
  });

  it("Update is accepted, but for a terminal that is not there", async () => {
    const run = await bash(fake, box, "sleep 30");
    const process = { pid: await run.pid() };
    expect(await (await unary(fake, box, "process.Process/Update", { process })).json()).toEqual(
      {},
    );
    const pty = { size: { cols: 1, rows: 1 } };
    expect((await unary(fake, box, "process.Process/Update", { process, pty })).status).toBe(500);
    run.detach();
  });

  it.each([
    ["SendSignal", { process: { pid: 999_999 }, signal: 9 }, 404, "not_found"],
    ["SendSignal", { process: {}, signal: 9 }, 501, "unimplemented"],
    ["SendInput", { process: { tag: "none" }, input: {} }, 404, "not_found"],
    ["SendInput", { process: { pid: "x" } }, 400, "invalid_argument"],
  ])("%s %j is answered %i", async (method, message, status, code) => {
    const response = await unary(fake, box, `process.Process/${method}`, message);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ code, message: expect.any(String) });
  });
});
