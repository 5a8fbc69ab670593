/** Who waits for a command decides how long it lives. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { countProcesses, leaf, query, shell, sleeper, written } from "./testing.ts";

async function start(): Promise<FakeDagger> {
  const dagger = await startFakeDagger();
  onTestFinished(() => dagger.close());
  return dagger;
}

const dead = (mark: string) => vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 20_000 });

describe("a command", () => {
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
    const abort = new AbortController();
    const text = shell("echo ready; sleep 1; echo awake");
    const first = query(dagger, text, { signal: abort.signal });
    await written(dagger, "ready");
    const second = query(other, text);
    await vi.waitUntil(() => dagger.engine.execs.waiting === 2, { timeout: 20_000, interval: 5 });
    abort.abort();
    await expect(first).rejects.toThrow();
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
