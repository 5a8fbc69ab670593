/** Sandboxes by the real SDK. */
import { afterEach, describe, expect, it } from "vitest";
import { type NewSandbox, type Sandbox, SandboxUnreachable } from "./sandbox.ts";
import { clearFaults, fakeState, service, serviceAt, setFaults } from "./test-support.ts";

const ASKED: NewSandbox = { template: "base", labels: {}, ttl_ms: 60_000, allow: [] };
const made: string[] = [];

async function create(asked: Partial<NewSandbox> = {}): Promise<Sandbox> {
  const sandbox = await service.create({ ...ASKED, ...asked });
  made.push(sandbox.id);
  return sandbox;
}

async function stateOf(id: string): Promise<string | undefined> {
  return (await fakeState()).sandboxes.find((sandbox) => sandbox.id === id)?.state;
}

async function textOf(sandbox: Sandbox | null, line: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  await sandbox?.run(["/bin/bash", "-c", line], (_, bytes) => void pieces.push(bytes));
  return Buffer.concat(pieces).toString("utf8");
}

afterEach(async () => {
  await Promise.all(made.splice(0).map((id) => service.kill(id)));
});

describe("a pause", { timeout: 30_000 }, () => {
  it("keeps files and processes for the next connect", async () => {
    const sandbox = await create();
    await sandbox.write([{ path: "~/note", body: "kept" }]);
    await textOf(sandbox, "sleep 600 >/dev/null 2>&1 & echo $! >~/pid");
    expect(await service.pause(sandbox.id)).toBe(true);
    expect(await stateOf(sandbox.id)).toBe("paused");
    expect(await service.exists(sandbox.id)).toBe(true);
    await expect(textOf(sandbox, "true")).rejects.toThrow();

    const resumed = await service.connect(sandbox.id, 60_000);
    expect(await stateOf(sandbox.id)).toBe("running");
    expect(await textOf(resumed, 'cat ~/note; kill -0 "$(<~/pid)" && echo " and running"')).toBe(
      "kept and running\n",
    );
  });

  it("of one that is paused changes nothing, and of one that is gone says so", async () => {
    const { id } = await create();
    expect(await service.pause(id)).toBe(true);
    expect(await service.pause(id)).toBe(true);
    await service.kill(id);
    expect(await service.pause(id)).toBe(false);
    expect(await service.connect(id, 60_000)).toBeNull();
  });

  it("comes by itself at the end of its time, when that was asked for", async () => {
    const [paused, killed] = [
      await create({ ttl_ms: 1_000, on_timeout: "pause" }),
      await create({ ttl_ms: 1_000 }),
    ];
    await expect.poll(() => stateOf(paused.id)).toBe("paused");
    await expect.poll(() => stateOf(killed.id)).toBeUndefined();
    expect((await service.connect(paused.id, 60_000))?.id).toBe(paused.id);
  });
});

describe("a list", { timeout: 30_000 }, () => {
  it("comes page by page, paused ones included", async () => {
    const labels = { pipelzr_test: crypto.randomUUID() };
    const ids = [(await create({ labels })).id, (await create({ labels })).id];
    await create();
    await service.pause(ids[0] ?? "");
    const pages: (readonly string[])[] = [];
    for await (const page of service.list(labels, 1)) pages.push(page.map(({ id }) => id));
    expect(pages.filter(({ length }) => length > 0)).toHaveLength(2);
    expect(pages.flat().sort()).toEqual(ids.sort());
  });
});

describe("an E2B that does not answer", () => {
  it.each(["http://e2b.invalid", "http://127.0.0.1:9"])("is named, %s", async (url) => {
    const absent = serviceAt(url);
    const told = `E2B at ${url} could not be reached`;
    for (const call of [() => absent.create(ASKED), () => absent.exists("s1")]) {
      const error: unknown = await call().catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(SandboxUnreachable);
      expect(String(error)).toContain(told);
      expect(String(error)).toContain("Check E2B_API_URL and the network of the service");
      expect(String(error)).not.toContain("internal error");
    }
  });

  it("says whether it answered at all", async () => {
    await setFaults({ fail_creates: { status: 500, times: 1 } });
    await expect(service.create(ASKED)).rejects.toThrow(/answered with an error \(.*500/);
    await clearFaults();
  });
});
