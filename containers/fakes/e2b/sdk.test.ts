/** The fake as the SDK that people use sees it. */
import {
  AuthenticationError,
  CommandExitError,
  FileNotFoundError,
  NotEnoughSpaceError,
  RateLimitError,
  Sandbox,
  ServiceBusyError,
  TimeoutError,
} from "e2b";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "./fixture.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

let fake: FakeE2B;
let sandbox: Sandbox;
const connection = () => ({
  apiKey: fake.apiKey,
  apiUrl: fake.apiUrl,
  sandboxUrl: fake.sandboxUrl,
});

beforeAll(async () => {
  fake = await startFakeE2B();
});
afterAll(() => fake.stop());
afterEach(() => fake.faults.clear());

async function createSandbox(): Promise<void> {
  sandbox = await Sandbox.create("base", {
    ...connection(),
    timeoutMs: 60_000,
    metadata: { pipelzr_attempt: "7" },
    envs: { GIVEN: "yes" },
  });
}

describe("a sandbox's life", () => {
  beforeEach(createSandbox);
  afterEach(async () => {
    await sandbox.kill();
  });

  it("is created, found by its metadata, described and killed", async () => {
    const { sandboxId } = sandbox;
    expect(sandboxId).toMatch(/^i[a-z0-9]{20}$/);
    const metadata = { pipelzr_attempt: "7" };
    const found = await Sandbox.list({ ...connection(), query: { metadata } }).nextItems();
    expect(found).toMatchObject([{ sandboxId, metadata, state: "running", name: "base" }]);
    expect(await sandbox.getInfo()).toMatchObject({ sandboxId, metadata, envdVersion: "0.6.13" });
    expect(await sandbox.isRunning()).toBe(true);
    expect(await sandbox.kill()).toBe(true);
    expect(await Sandbox.kill(sandboxId, connection())).toBe(false);
    expect(await sandbox.isRunning()).toBe(false);
    await expect(Sandbox.connect(sandboxId, connection())).rejects.toThrow("not found");
  });

  it("is listed in pages", async () => {
    const more = await Promise.all(
      [1, 2].map(() => Sandbox.create({ ...connection(), metadata: { of: "pages" } })),
    );
    const query = { metadata: { of: "pages" }, state: ["running" as const] };
    const pages = Sandbox.list({ ...connection(), limit: 1, query });
    const seen: string[] = [];
    while (pages.hasNext) seen.push(...(await pages.nextItems()).map(({ sandboxId }) => sandboxId));
    expect(seen.toSorted()).toEqual(more.map(({ sandboxId }) => sandboxId).toSorted());
    await Promise.all(more.map((each) => each.kill()));
  });

  it("ends when its time does", async () => {
    await sandbox.setTimeout(0);
    await eventually(() => sandbox.isRunning()).toBe(false);
  });

  it("pauses once and resumes by connect, with what ran", async () => {
    const command = await sandbox.commands.run("sleep 60", { background: true });
    await sandbox.files.write("kept", "kept");
    expect(await sandbox.pause()).toBe(true);
    expect(await sandbox.pause()).toBe(false);
    expect(await sandbox.isRunning()).toBe(false);
    const again = await Sandbox.connect(sandbox.sandboxId, connection());
    expect(await again.files.read("kept")).toBe("kept");
    expect(await again.commands.list()).toMatchObject([{ pid: command.pid }]);
    await expect(command.wait()).rejects.toThrow();
  });
});

describe("files", () => {
  beforeAll(createSandbox);
  afterAll(async () => {
    await sandbox.kill();
  });

  it("are written and read as text, bytes and streams", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
    expect(await sandbox.files.write("dir/text", "héllo")).toMatchObject({
      path: "/home/user/dir/text",
      name: "text",
      type: "file",
    });
    await sandbox.files.write("/tmp/bytes", bytes.buffer);
    await sandbox.files.write("zipped", "zipped", { gzip: true });
    expect(await sandbox.files.read("dir/text")).toBe("héllo");
    expect(await sandbox.files.read("/tmp/bytes", { format: "bytes" })).toEqual(bytes);
    expect(await sandbox.files.read("zipped")).toBe("zipped");
    await sandbox.files.write([
      { path: "many/1", data: "1" },
      { path: "/tmp/many/2", data: "2" },
    ]);
    const { stdout } = await sandbox.commands.run("cat many/1 /tmp/many/2; sha256sum /tmp/bytes");
    expect(stdout).toMatch(/^12[0-9a-f]{64} /);
  });

  it("are listed, looked at, moved and removed", async () => {
    expect(await sandbox.files.makeDir("d")).toBe(true);
    expect(await sandbox.files.makeDir("d")).toBe(false);
    await sandbox.files.write("d/a", "aa");
    expect(await sandbox.files.list("d")).toMatchObject([
      { name: "a", type: "file", path: "/home/user/d/a", size: 2 },
    ]);
    await sandbox.files.rename("d/a", "d/b");
    expect(await sandbox.files.exists("d/a")).toBe(false);
    expect(await sandbox.files.getInfo("d/b")).toMatchObject({ size: 2 });
    await sandbox.files.remove("d");
    expect(await sandbox.files.exists("d")).toBe(false);
  });

  it("that are missing, and space that is, are errors of their own", async () => {
    await expect(sandbox.files.read("nope")).rejects.toBeInstanceOf(FileNotFoundError);
    fake.faults.set({ disk_full: true });
    await expect(sandbox.files.write("x", "x")).rejects.toBeInstanceOf(NotEnoughSpaceError);
  });
});

describe("commands", () => {
  beforeAll(createSandbox);
  afterAll(async () => {
    await sandbox.kill();
  });

  it("tell output as it comes", async () => {
    const told: string[] = [];
    const line = 'echo one; read _ < ~/gate; echo "$GIVEN $OWN" >&2; echo two';
    await sandbox.commands.run("mkfifo ~/gate");
    const command = await sandbox.commands.run(line, {
      background: true,
      envs: { OWN: "own" },
      onStdout: (text) => void told.push(text),
      onStderr: (text) => void told.push(text),
    });
    await eventually(() => told.join("")).toBe("one\n");
    await sandbox.commands.run("echo > ~/gate");
    const result = await command.wait();
    expect(result).toMatchObject({ exitCode: 0, stdout: "one\ntwo\n", stderr: "yes own\n" });
  });

  it("that exit otherwise than by 0 are errors", async () => {
    const failed = await sandbox.commands
      .run("echo out; echo err >&2; exit 3")
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(CommandExitError);
    expect(failed).toMatchObject({ exitCode: 3, stdout: "out\n", stderr: "err\n" });
  });

  it("end at their timeout", async () => {
    await expect(sandbox.commands.run("sleep 60", { timeoutMs: 200 })).rejects.toBeInstanceOf(
      TimeoutError,
    );
    await eventually(() => sandbox.commands.list()).toEqual([]);
  });

  it("are killed in the background", async () => {
    const command = await sandbox.commands.run("sleep 60", { background: true });
    expect(await command.kill()).toBe(true);
    await expect(command.wait()).rejects.toMatchObject({ exitCode: -1 });
    expect(await command.kill()).toBe(false);
  });

  it("are left and joined again", async () => {
    const command = await sandbox.commands.run("read _; echo heard; exit 4", {
      background: true,
      stdin: true,
      timeoutMs: 0,
    });
    await command.disconnect();
    const joined = await sandbox.commands.connect(command.pid);
    await sandbox.commands.sendStdin(command.pid, "\n");
    await expect(joined.wait()).rejects.toMatchObject({ exitCode: 4, stdout: "heard\n" });
  });

  it("run in parallel, twenty at once", async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => sandbox.commands.run(`echo ${index}`)),
    );
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(results.map((_, index) => index));
  });
});

describe("faults", () => {
  beforeEach(createSandbox);
  afterEach(async () => {
    await sandbox.kill();
  });

  it("of create are what the SDK makes of them", async () => {
    fake.faults.set({ fail_creates: { status: 503, times: 1 } });
    await expect(Sandbox.create(connection())).rejects.toBeInstanceOf(ServiceBusyError);
    fake.faults.set({ fail_creates: { status: 429, times: 1 } });
    await expect(Sandbox.create(connection())).rejects.toBeInstanceOf(RateLimitError);
    const requests = fake.inspect().create_requests;
    fake.faults.set({ fail_creates: { status: 429, times: 2, retry_after_seconds: 0 } });
    await (await Sandbox.create(connection())).kill();
    expect(fake.inspect().create_requests).toBe(requests + 3);
    await expect(Sandbox.create({ ...connection(), apiKey: "e2b_no" })).rejects.toBeInstanceOf(
      AuthenticationError,
    );
  });

  it("of a sandbox that is lost end its commands", async () => {
    const command = await sandbox.commands.run("sleep 60", { background: true });
    await fake.loseSandbox(sandbox.sandboxId);
    await expect(command.wait()).rejects.toThrow();
    await expect(sandbox.commands.run("true")).rejects.toThrow();
  });
});
