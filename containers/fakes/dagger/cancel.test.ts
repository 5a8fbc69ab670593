/** Who waits for a command decides how long it lives. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { countProcesses, exec, leaf, literal, query, shell, sleeper, written } from "./testing.ts";

const started: FakeDagger[] = [];
afterAll(() => Promise.all(started.map((dagger) => dagger.close())));

async function start(): Promise<FakeDagger> {
  const dagger = await startFakeDagger();
  started.push(dagger);
  return dagger;
}

const dead = (mark: string) => vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 20_000 });

describe.concurrent("a command", () => {
  it("is killed with all that it started when its only client goes", async () => {
    const dagger = await start();
    const { line, mark } = sleeper();
    const abort = new AbortController();
    const text = shell(`trap '' TERM; sleep ${mark} & setsid sleep ${mark} & ${line}`);
    const running = query(dagger, text, { signal: abort.signal });
    await written(dagger, "ready");
    expect(countProcesses(mark)).toBeGreaterThan(0);
    abort.abort();
    await expect(running).rejects.toThrow();
    await dead(mark);
  });

  it("lives on for another that waits, in another session too", async () => {
    const dagger = await start();
    const other = await dagger.openSession();
    const cache = literal(leaf(await query(dagger, '{ cacheVolume (key: "c") { id } }')));
    const line = "echo ready; until [ -e /c/go ]; do sleep 0.01; done; echo awake";
    const mounted = `withMountedCache (path: "/c",cache: ${cache}) { ${exec(line)} }`;
    const text = `{ container { from (address: "alpine") { ${mounted} } } }`;
    const abort = new AbortController();
    const first = query(dagger, text, { signal: abort.signal });
    await written(dagger, "ready");
    const second = query(other, text);
    await vi.waitUntil(() => dagger.engine.execs.waiting === 2, { timeout: 20_000, interval: 5 });
    abort.abort();
    await expect(first).rejects.toThrow();
    await vi.waitUntil(() => dagger.engine.execs.waiting === 1, { timeout: 20_000, interval: 5 });
    const [volume = ""] = await readdir(dagger.engine.caches.directory);
    await writeFile(join(dagger.engine.caches.directory, volume, "go"), "");
    expect(leaf(await second)).toBe("ready\nawake\n");
  });

  it("runs anew after it was killed", async () => {
    const dagger = await start();
    const abort = new AbortController();
    const text = shell("echo ready; sleep 0.2; echo awake");
    const first = query(dagger, text, { signal: abort.signal });
    await written(dagger, "ready");
    abort.abort();
    await expect(first).rejects.toThrow();
    expect(leaf(await query(dagger, text))).toBe("ready\nawake\n");
  });

  it("is killed by the end of its session, and not by that of another", async () => {
    const dagger = await start();
    const other = await dagger.openSession();
    const [mine, theirs] = [sleeper(), sleeper()];
    const abort = new AbortController();
    const running = query(dagger, shell(mine.line), { signal: abort.signal }).catch(() => "cut");
    const lost = query(other, shell(theirs.line)).catch(() => "lost");
    await Promise.all([written(dagger, "ready"), written(other, "ready")]);
    await other.close();
    expect(countProcesses(theirs.mark)).toBe(0);
    expect(await lost).toBe("lost");
    expect(countProcesses(mine.mark)).toBeGreaterThan(0);
    abort.abort();
    expect(await running).toBe("cut");
    await dead(mine.mark);
  });
});
