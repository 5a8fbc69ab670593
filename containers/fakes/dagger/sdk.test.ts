/** The real SDK against the fake, in both ways that it connects. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Writable } from "node:stream";
import { promisify } from "node:util";
import {
  CacheSharingMode,
  type Client,
  connect,
  ExecError,
  GraphQLRequestError,
  NotAwaitedRequestError,
  ReturnType,
  UnknownDaggerError,
} from "@dagger.io/dagger";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { FAKE_DAGGER_CLI, type FakeDagger, startFakeDagger } from "./in-process.ts";
import { countProcesses, sleeper } from "./testing.ts";

let folder: string;
let state: string;
let dagger: FakeDagger;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fake-dagger-sdk-"));
  state = await mkdtemp(join(tmpdir(), "fake-dagger-sdk-state-"));
  dagger = await startFakeDagger({ hostDirectory: folder });
});
afterAll(async () => {
  await dagger.close();
  for (const path of [folder, state]) await rm(path, { recursive: true, force: true });
});
afterEach(() => vi.unstubAllEnvs());

async function withSession<T>(work: (client: Client) => Promise<T>): Promise<T> {
  for (const [name, value] of Object.entries(dagger.environment)) vi.stubEnv(name, value);
  return connected(work);
}

const progress: string[] = [];
const collector = () =>
  new Writable({
    write: (chunk, _encoding, done) => {
      progress.push(String(chunk));
      done();
    },
  });

async function withCli<T>(work: (client: Client) => Promise<T>): Promise<T> {
  vi.stubEnv("_EXPERIMENTAL_DAGGER_CLI_BIN", FAKE_DAGGER_CLI);
  vi.stubEnv("FAKE_DAGGER_STATE", state);
  for (const [name, value] of Object.entries(inject("bundled"))) vi.stubEnv(name, value);
  return connected(work);
}

async function connected<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const results: T[] = [];
  await connect(
    async (client) => {
      results.push(await work(client));
    },
    { LogOutput: collector(), Workdir: folder },
  );
  const [result] = results;
  if (result === undefined) throw new Error("The work gave no result.");
  return result;
}

describe.each([
  ["a session that is there", withSession],
  ["the CLI that it spawns", withCli],
] as const)("the SDK with %s", (_name, withClient) => {
  it("runs a task: files, cache, secret, variables, outputs", async () => {
    const result = await withClient(async (client) => {
      const source = client.directory().withNewFile("main.js", "console.log(process.argv[2])");
      const done = await client
        .container()
        .from("node:24")
        .withMountedDirectory("/job", source)
        .withMountedCache("/cache", client.cacheVolume("npm"), { sharing: CacheSharingMode.Locked })
        .withWorkdir("/job")
        .withEnvVariable("LABEL", "v-$PATH", { expand: true })
        .withSecretVariable("TOKEN", client.setSecret("token", "hush"))
        .withNewFile("/etc/task", "task\n", { permissions: 0o600 })
        .withExec(
          ["sh", "-c", "node main.js $TOKEN; cat /etc/task; echo ok > out; echo bad >&2; exit 5"],
          {
            expect: ReturnType.Any,
          },
        )
        .sync();
      const [exitCode, stdout, stderr, contents, entries] = await Promise.all([
        done.exitCode(),
        done.stdout(),
        done.stderr(),
        done.file("out").contents(),
        done.directory("/job").entries(),
      ]);
      const exported = await done.file("/job/out").export(join(folder, "exported"));
      return { exitCode, stdout, stderr, contents, entries, exported };
    });
    expect(result).toEqual({
      exitCode: 5,
      stdout: "***\ntask\n",
      stderr: "bad\n",
      contents: "ok\n",
      entries: ["main.js", "out"],
      exported: join(folder, "exported"),
    });
    expect(await readFile(join(folder, "exported"), "utf8")).toBe("ok\n");
  });

  it("throws ExecError for an exit that is not expected, by signal even with any", async () => {
    const errors = await withClient(async (client) => {
      const failing = async (line: string, expected: ReturnType) => {
        const command = ["sh", "-c", line];
        const done = client.container().from("alpine").withExec(command, { expect: expected });
        const error = await done.stdout().catch((problem: unknown) => problem);
        return error instanceof ExecError ? error : null;
      };
      return [
        await failing("echo out; echo err >&2; exit 2", ReturnType.Success),
        await failing("kill -9 $$", ReturnType.Any),
        await failing("true", ReturnType.Failure),
      ];
    });
    expect(errors).toMatchObject([
      { exitCode: 2, stdout: "out", stderr: "err", cmd: ["sh", "-c", expect.any(String)] },
      { exitCode: 137 },
      { exitCode: 0 },
    ]);
  });

  it("throws GraphQLRequestError for what the engine refuses", async () => {
    const error = await withClient((client) =>
      client
        .container()
        .from("does-not-exist:1")
        .id()
        .catch((problem: unknown) => problem),
    );
    expect(error).toBeInstanceOf(GraphQLRequestError);
    expect(String(error)).toContain("failed to resolve image");
  });

  it("knows hosts, platforms, versions and the local cache", async () => {
    const result = await withClient(async (client) => [
      await client.version(),
      await client.defaultPlatform(),
      await client
        .host()
        .directory(folder, { include: ["exported"] })
        .entries(),
      (await client.engine().localCache().prune()) ?? null,
    ]);
    expect(result).toEqual(["v0.21.9", expect.stringMatching(/^linux\//), ["exported"], null]);
  });
});

describe("the SDK", () => {
  it("gets the progress as text from the CLI", () => {
    const text = progress.join("");
    expect(text).toContain("Creating new Engine session... OK!");
    expect(text).toContain(".withExec(args: [");
  });

  it("tells a lost connection from one that nobody accepts", async () => {
    dagger.engine.faults.set({ dropConnection: { at: "output" } });
    const lines = sleeper();
    const lost = withSession((client) =>
      client.container().from("alpine").withExec(["sh", "-c", lines.line]).stdout(),
    );
    await expect(lost).rejects.toThrow(UnknownDaggerError);
    await vi.waitUntil(() => countProcesses(lines.mark) === 0, { timeout: 20_000 });
    const other = await startFakeDagger();
    for (const [name, value] of Object.entries(other.environment)) vi.stubEnv(name, value);
    const refused = connected(async (client) => {
      await other.close();
      return client.version();
    });
    await expect(refused).rejects.toThrow(NotAwaitedRequestError);
  });

  it("sees an engine that has died as a refused request", async () => {
    const other = await startFakeDagger({ faults: { killEngine: { at: "output" } } });
    for (const [name, value] of Object.entries(other.environment)) vi.stubEnv(name, value);
    const lost = connected((client) =>
      client.container().from("alpine").withExec(["sh", "-c", sleeper().line]).stdout(),
    );
    await expect(lost).rejects.toThrow(GraphQLRequestError);
    await other.close();
  });

  it("leaves its process with an unhandled rejection when no engine answers", async () => {
    const script = `
      process.on("unhandledRejection", (error) => {
        console.log("unhandled:", String(error).includes("start engine"));
        process.exit(7);
      });
      const { connect } = await import("@dagger.io/dagger");
      await connect(async () => {}).catch((error) => console.log("rejected:", error.message));
      await new Promise((resolve) => setTimeout(resolve, 5_000));`;
    const failed = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", script],
      {
        env: {
          ...process.env,
          _EXPERIMENTAL_DAGGER_CLI_BIN: FAKE_DAGGER_CLI,
          FAKE_DAGGER_FAULTS: JSON.stringify({ unreachable: true }),
        },
      },
    ).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 7, stdout: expect.stringContaining("unhandled: true") });
  });
});
