/** envd's processes, by requests and answers written from the wire facts. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  bash,
  control,
  create,
  enter,
  envelope,
  eventually,
  type Handle,
  outputOf,
  stream,
  unary,
} from "./fixture.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

let fake: FakeE2B;
let box: Handle;
beforeAll(async () => {
  fake = await startFakeE2B();
});
afterAll(() => fake.stop());
beforeEach(async () => {
  box = await create(fake, { envVars: { FROM_CREATE: "c", BOTH: "create" } });
});

const base64 = (text: string) => Buffer.from(text).toString("base64");
const processes = async () => (await unary(fake, box, "process.Process/List", {})).json();
const isAlive = async (pid: number) =>
  (await outputOf(fake, box, `kill -0 ${pid} 2>/dev/null && echo yes || echo no`)) === "yes\n";

describe("Start", () => {
  it("streams start, output and end, without fields of value zero", async () => {
    const run = await bash(fake, box, "echo out; echo err >&2");
    expect(run.response.status).toBe(200);
    expect(run.response.headers.get("content-type")).toBe("application/connect+json");
    const events = await run.rest();
    expect(events[0]).toEqual({ start: { pid: expect.any(Number) } });
    expect(events.at(-1)).toEqual({ end: { exited: true, status: "exit status 0" } });
    expect(events.slice(1, -1)).toEqual(
      expect.arrayContaining([
        { data: { stdout: base64("out\n") } },
        { data: { stderr: base64("err\n") } },
      ]),
    );
    expect(run.trailer).toEqual({});
  });

  it("tells an exit code with an error, and a signal as -1", async () => {
    expect((await (await bash(fake, box, "exit 3")).rest()).at(-1)).toEqual({
      end: { exitCode: 3, exited: true, status: "exit status 3", error: "exit status 3" },
    });
    expect((await (await bash(fake, box, "kill -KILL $$")).rest()).at(-1)).toEqual({
      end: { exitCode: -1, status: "signal: killed", error: "signal: killed" },
    });
    expect((await (await bash(fake, box, "nosuchcommand")).rest()).at(-1)).toMatchObject({
      end: { exitCode: 127 },
    });
  });

  it("gives home, user, variables of create and, over them, those of the request", async () => {
    const run = await bash(fake, box, 'echo "$PWD $HOME $USER $LOGNAME $FROM_CREATE $BOTH"', {
      process: { envs: { BOTH: "request" } },
    });
    await run.rest();
    expect(run.stdout.toString()).toBe("/home/user /home/user user user c request\n");
    const root = await bash(fake, box, 'echo "$HOME $USER"', {
      headers: { authorization: `Basic ${base64("root:")}` },
      process: { cwd: "/tmp" },
    });
    await root.rest();
    expect(root.stdout.toString()).toBe("/root root\n");
    const nobody = await bash(fake, box, "true", {
      headers: { authorization: `Basic ${base64("nobody:")}` },
    });
    expect(nobody.response.status).toBe(401);
  });

  it("refuses a working directory that is not there and a terminal, on the stream", async () => {
    const run = await bash(fake, box, "true", { process: { cwd: "/nope" } });
    expect(run.response.status).toBe(200);
    expect(await run.rest()).toEqual([]);
    expect(run.trailer?.error?.code).toBe("invalid_argument");
    const message = { process: { cmd: "sh" }, pty: { size: { cols: 80, rows: 24 } } };
    const terminal = await stream(fake, box, "Start", message);
    await terminal.rest();
    expect(terminal.trailer?.error?.code).toBe("unimplemented");
  });

  it("sends chunks of 32 KiB at most, and every byte of any value", async () => {
    const run = await bash(
      fake,
      box,
      String.raw`head -c 300000 /dev/zero | tr '\0' '\377'; printf '\0é'`,
    );
    await run.rest();
    expect(run.stdout.length).toBe(300_003);
    expect(run.stdout.subarray(0, 300_000).equals(Buffer.alloc(300_000, 0xff))).toBe(true);
    expect(run.stdout.subarray(300_000)).toEqual(Buffer.from("\0é"));
    expect(Math.max(...run.chunkBytes)).toBeLessThanOrEqual(32 * 1_024);
  });

  it("runs as long as anything holds its output, unless it is killed", async () => {
    const run = await bash(fake, box, "sleep 30 & echo $!; exit 5");
    const pid = await run.pid();
    await run.until("\n");
    await eventually(() => isAlive(pid)).toBe(false);
    expect(await processes()).toMatchObject({ processes: [{ pid }] });
    const signal = "SIGNAL_SIGKILL";
    await unary(fake, box, "process.Process/SendSignal", { process: { pid }, signal });
    expect((await run.rest()).at(-1)).toMatchObject({ end: { exitCode: 5, exited: true } });
    expect(await isAlive(Number(run.stdout.toString()))).toBe(true);
  });

  it("holds a writer back whose reader is slow", async () => {
    const run = await bash(fake, box, "yes & echo $! >/tmp/yes; wait");
    await run.next("data");
    const written = "cat /proc/$(cat /tmp/yes)/io | grep wchar";
    await eventually(async () => {
      const first = await outputOf(fake, box, written);
      return first !== "" && first === (await outputOf(fake, box, written));
    }).toBe(true);
    run.detach();
  });

  it("sends a keepalive after each silent interval", async () => {
    const run = await bash(fake, box, "sleep 30", { headers: { "keepalive-ping-interval": "1" } });
    expect(await run.next("keepalive")).toEqual({ keepalive: {} });
    run.detach();
  });

  it("ends at the request's deadline, with the process", async () => {
    const headers = { "connect-timeout-ms": "200" };
    const run = await bash(fake, box, "exec sleep 30", { headers });
    const pid = await run.pid();
    expect(await run.rest()).toEqual([]);
    expect(run.trailer?.error?.code).toBe("deadline_exceeded");
    await eventually(() => isAlive(pid)).toBe(false);
  });
});

describe("a stream that is left", () => {
  it("leaves the process running, and what it wrote meanwhile is lost", async () => {
    const run = await bash(fake, box, "read _; echo unseen; touch /tmp/wrote; read _; echo seen", {
      stdin: true,
      tag: "job",
    });
    const pid = await run.pid();
    run.detach();
    await eventually(
      () => fake.inspect().sandboxes.find(({ id }) => id === box.sandboxID)?.connections,
    ).toBe(0);
    const selector = { process: { tag: "job" } };
    const type = () =>
      unary(fake, box, "process.Process/SendInput", {
        ...selector,
        input: { stdin: base64("\n") },
      });
    await type();
    await eventually(() => outputOf(fake, box, "ls /tmp")).toBe("wrote\n");
    const again = await stream(fake, box, "Connect", selector);
    expect(await again.pid()).toBe(pid);
    await type();
    const events = await again.rest();
    expect(events.at(-1)).toMatchObject({ end: { exited: true } });
    expect(again.stdout.toString()).toBe("seen\n");
  });

  it("is told of an end that came before, by pid or tag, without output", async () => {
    const run = await bash(fake, box, "echo gone; exit 7", { tag: "seven" });
    const pid = await run.pid();
    await run.rest();
    for (const process of [{ pid }, { tag: "seven" }]) {
      const late = await stream(fake, box, "Connect", { process });
      expect(await late.rest()).toEqual([
        { start: { pid } },
        { end: { exitCode: 7, exited: true, status: "exit status 7", error: "exit status 7" } },
      ]);
      expect(late.trailer).toEqual({});
    }
  });

  it("is one of many, all of which hear the same", async () => {
    const run = await bash(fake, box, "read _; echo all", { stdin: true });
    const pid = await run.pid();
    const others = await Promise.all(
      [1, 2].map(() => stream(fake, box, "Connect", { process: { pid } })),
    );
    for (const other of others) await other.pid();
    await unary(fake, box, "process.Process/SendInput", {
      process: { pid },
      input: { stdin: base64("\n") },
    });
    for (const each of [run, ...others]) {
      await each.rest();
      expect(each.stdout.toString()).toBe("all\n");
    }
  });

  it("finds no process that never was", async () => {
    const none = await stream(fake, box, "Connect", { process: { pid: 999_999 } });
    expect(none.response.status).toBe(200);
    expect(await none.rest()).toEqual([]);
    expect(none.trailer?.error?.code).toBe("not_found");
  });

  it("is cut when the sandbox is killed or paused", async () => {
    for (const [method, rest] of [
      ["POST", "/pause"],
      ["DELETE", ""],
    ] as const) {
      const run = await bash(fake, box, "sleep 30");
      await run.pid();
      await control(fake, method, `/sandboxes/${box.sandboxID}${rest}`);
      await expect(run.rest()).rejects.toThrow();
      await control(fake, "POST", `/v2/sandboxes/${box.sandboxID}/connect`, {});
    }
  });
});

describe("what comes to envd", () => {
  it("needs the sandbox's own token", async () => {
    const other = await create(fake);
    for (const token of [undefined, "", other.envdAccessToken]) {
      const { sandboxID } = box;
      const handle = { sandboxID, ...(token !== undefined && { envdAccessToken: token }) };
      const response = await unary(fake, handle, "process.Process/List", {});
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({ code: 401, message: expect.any(String) });
    }
    const open = await control(fake, "POST", "/sandboxes", { templateID: "base" });
    const { sandboxID } = await open.json<{ sandboxID: string }>();
    expect((await unary(fake, { sandboxID }, "process.Process/List", {})).status).toBe(200);
  });

  it("is health without a token, and 502 where nothing is", async () => {
    expect((await enter(fake, { sandboxID: box.sandboxID }, "/health")).status).toBe(204);
    const port = await enter(fake, box, "/", { headers: { "e2b-sandbox-port": "3000" } });
    expect(port.status).toBe(502);
    expect(await port.json()).toMatchObject({ port: 3_000, code: 502 });
    expect((await enter(fake, { sandboxID: "inope" }, "/health")).status).toBe(502);
    expect((await enter(fake, { sandboxID: "no/pe" }, "/health")).status).toBe(400);
  });

  it("is understood only in its own types", async () => {
    const post = (type: string, body: Uint8Array | string) =>
      enter(fake, box, "/process.Process/Start", {
        method: "POST",
        headers: { "content-type": type },
        body,
      });
    expect((await post("application/json", "{}")).status).toBe(415);
    expect((await unary(fake, box, "process.Process/Nope", {})).status).toBe(404);
    expect((await enter(fake, box, "/process.Process/List")).status).toBe(405);
    const message = { process: { cmd: "true" } };
    for (const [bytes, code] of [
      [envelope(message, 1), "unimplemented"],
      [envelope(message).subarray(0, 9), "invalid_argument"],
      [envelope({ process: {} }), "invalid_argument"],
    ] as const) {
      const text = await (await post("application/connect+json", bytes)).text();
      expect(text.slice(5)).toContain(`{"error":{"code":"${code}"`);
      expect(text.charCodeAt(0)).toBe(2);
    }
  });
});
