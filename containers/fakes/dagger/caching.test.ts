/** Equal chains run once. Every command leaves a mark in a cache volume, where marks are counted. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { type Endpoint, exec, leaf, literal, query } from "./testing.ts";

let stateDirectory: string;
let dagger: FakeDagger;
let cache: string;
beforeAll(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), "fake-dagger-"));
  dagger = await startFakeDagger({ stateDirectory });
  cache = literal(leaf(await query(dagger, '{ cacheVolume (key: "marks") { id } }')));
});
afterAll(async () => {
  await dagger.close();
  await rm(stateDirectory, { recursive: true, force: true });
});

function chain(name: string, end: string, options = "", before: string | null = null): string {
  const line = `echo x >> /marks/${name}; ${end}`;
  const inner = exec(line, "exitCode", options);
  return `{ container { from (address: "alpine") {
    withMountedCache (path: "/marks",cache: ${cache}) { ${before ? `${before} { ${inner} }` : inner} }
  } } }`;
}

let reads = 0;
async function marks(name: string): Promise<number> {
  reads += 1;
  const read = exec(`cat /marks/${name} | wc -l; : ${reads}`);
  const text = `{ container { from (address: "alpine") { withMountedCache (path: "/marks",cache: ${cache}) { ${read} } } } }`;
  return Number(leaf(await query(dagger, text)));
}

describe("an equal chain", () => {
  it("runs once, failed ones with expect ANY too", async () => {
    for (const [name, end] of [
      ["succeeded", "true"],
      ["failed", "exit 7"],
    ] as const) {
      const text = chain(name, end, ",expect: ANY");
      const first = await query(dagger, text);
      expect(await query(dagger, text)).toEqual(first);
      expect(await marks(name)).toBe(1);
    }
  });

  it("runs again when it failed as it must not", async () => {
    for (let run = 0; run < 2; run += 1) {
      expect((await query(dagger, chain("refused", "exit 1"))).errors).toHaveLength(1);
    }
    expect(await marks("refused")).toBe(2);
  });

  it("runs once for all that ask at the same time, in any session", async () => {
    const other = await dagger.openSession();
    const text = chain("together", "sleep 0.1");
    const askers: Endpoint[] = [dagger, other, dagger];
    const answers = await Promise.all(askers.map((asker) => query(asker, text)));
    expect(answers.map(leaf)).toEqual([0, 0, 0]);
    expect(await marks("together")).toBe(1);
  });

  it("is not run by an engine that starts on the same state", async () => {
    const text = chain("restarted", "true");
    await query(dagger, text);
    const next = await startFakeDagger({ stateDirectory });
    expect(leaf(await query(next, text))).toBe(0);
    await next.close();
    expect(await marks("restarted")).toBe(1);
  });

  it("differs by a variable, and not by a volatile one", async () => {
    const set = (call: string, value: string) => `${call} (name: "ATTEMPT",value: "${value}")`;
    for (const value of ["1", "2"]) {
      await query(dagger, chain("volatile", "true", "", set("withVolatileVariable", value)));
      await query(dagger, chain("variable", "true", "", set("withEnvVariable", value)));
    }
    expect([await marks("volatile"), await marks("variable")]).toEqual([1, 2]);
  });

  it("differs by the content of a directory of the host, not by its place", async () => {
    const folders = [];
    for (const n of [1, 2]) {
      const place = await mkdtemp(join(tmpdir(), `fake-dagger-host-${n}-`));
      folders.push(place);
      const directory = leaf(
        await query(dagger, `{ host { directory (path: "${place}") { id } } }`),
      );
      const mount = `withMountedDirectory (path: "/src",source: ${literal(directory)})`;
      await query(dagger, chain("content", "true", "", mount));
    }
    expect(await marks("content")).toBe(1);
    for (const place of folders) await rm(place, { recursive: true });
  });

  it("runs nothing until something has to be known", async () => {
    const text = chain("lazy", "true").replace("{ exitCode }", "{ id }");
    const container = literal(leaf(await query(dagger, text)));
    expect(await marks("lazy").catch(() => 0)).toBe(0);
    await query(dagger, `{ node (id: ${container}) { ... on Container { sync } } }`);
    expect(await marks("lazy")).toBe(1);
  });

  it("runs again after the cache is pruned", async () => {
    const text = chain("pruned", "true");
    await query(dagger, text);
    expect(leaf(await query(dagger, "{ engine { localCache { prune } } }"))).toBeNull();
    await query(dagger, text);
    expect(await marks("pruned")).toBe(1); // The marks of the first run are pruned as well.
  });
});
