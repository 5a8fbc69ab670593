/** Files in containers and directories: mounted, written, read, exported. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { exec, inAlpine, leaf, literal, query, stdoutOf } from "./testing.ts";

let dagger: FakeDagger;
let host: string;
beforeAll(async () => {
  host = await mkdtemp(join(tmpdir(), "fake-dagger-host-"));
  dagger = await startFakeDagger({ hostDirectory: host });
});
afterAll(async () => {
  await dagger.close();
  await rm(host, { recursive: true, force: true });
});

const id = async (text: string) => literal(leaf(await query(dagger, text)));
const container = (calls: readonly string[], selection: string) =>
  inAlpine(dagger, calls, selection);
const stdout = (line: string, calls: readonly string[] = []) => stdoutOf(dagger, line, calls);

describe.concurrent("mounts", () => {
  it("are copies that a command changes and the next one finds changed", async () => {
    const directory = await id('{ directory { withNewFile (path: "a",contents: "1") { id } } }');
    const mount = `withMountedDirectory (path: "/w",source: ${directory})`;
    const answer = await container(
      [mount, 'withExec (args: ["sh","-c","echo 2 > /w/b"])'],
      'directory (path: "/w") { entries } rootfs: directory (path: "/") { entries }',
    );
    expect(JSON.stringify(answer.data)).toContain('"entries":["a","b"]');
    expect(await stdout("ls /w", [mount])).toBe("a\n");
    expect(
      leaf(await query(dagger, `{ node (id: ${directory}) { ... on Directory { entries } } }`)),
    ).toEqual(["a"]);
  });

  it("leave no place in the root file system", async () => {
    const answer = await container(
      ['withMountedTemp (path: "/fresh/temp")', 'withExec (args: ["touch","/fresh/temp/x"])'],
      'directory (path: "/") { entries }',
    );
    expect(leaf(answer)).toContain("tmp/");
    expect(leaf(answer)).not.toContain("fresh/");
  });

  it("can be read only, or single files", async () => {
    const directory = await id('{ directory { withNewFile (path: "a",contents: "1") { id } } }');
    const file = await id('{ file (name: "f",contents: "data") { id } }');
    const calls = [
      `withMountedDirectory (path: "/w",source: ${directory},readOnly: true)`,
      `withMountedFile (path: "/etc/conf",source: ${file})`,
    ];
    expect(await stdout("touch /w/b 2>&1; cat /etc/conf", calls)).toBe(
      "touch: cannot touch '/w/b': Read-only file system\ndata",
    );
  });

  it("belong to whom they should", async () => {
    const directory = await id('{ directory { withNewFile (path: "a",contents: "1") { id } } }');
    const mount = `withMountedDirectory (path: "/w",source: ${directory},owner: "nobody")`;
    expect(await stdout("stat -c %U /w /w/a", [mount])).toBe("nobody\nnobody\n");
  });

  it("keep caches for other commands, and out of what can be read back", async () => {
    const cache = await id('{ cacheVolume (key: "shared") { id } }');
    const mount = `withMountedCache (path: "/cache",cache: ${cache})`;
    await stdout("echo cached > /cache/x", [mount]);
    expect(await stdout("cat /cache/x", [mount])).toBe("cached\n");
    const { errors } = await container([mount], 'file (path: "/cache/x") { contents }');
    expect(errors?.[0]?.message).toBe("/cache/x: cannot retrieve path from cache");
  });

  it("lets one command at a time into a locked cache", async () => {
    const cache = await id('{ cacheVolume (key: "locked") { id } }');
    const mount = `withMountedCache (path: "/cache",cache: ${cache},sharing: LOCKED)`;
    const line = (n: number) => `mkdir /cache/busy && echo ${n}; sleep 0.1; rmdir /cache/busy`;
    const runs = await Promise.all([1, 2, 3].map((n) => stdout(line(n), [mount])));
    expect(runs).toEqual(["1\n", "2\n", "3\n"]);
  });

  it("hide secrets, in files and variables, in both streams", async () => {
    const secret = await id('{ setSecret (name: "s",plaintext: "hush-hush") { id } }');
    const calls = [
      `withMountedSecret (path: "/run/secret",source: ${secret})`,
      `withSecretVariable (name: "S",secret: ${secret})`,
    ];
    expect(await stdout("cat /run/secret; echo; printf hush; sleep 0; echo -hush", calls)).toBe(
      "***\n***\n",
    );
    const both = exec("echo $S >&2; [ $S = hush-hush ]", "stderr combinedOutput");
    expect(JSON.stringify((await container(calls, both)).data)).toContain(
      '"stderr":"***\\n","combinedOutput":"***\\n"',
    );
  });

  it("takes secrets from the host", async () => {
    await writeFile(join(host, "secret"), "file-secret");
    vi.stubEnv("FAKE_DAGGER_TEST_SECRET", "env-secret");
    const secrets = [
      await id('{ secret (uri: "env://FAKE_DAGGER_TEST_SECRET") { id } }'),
      await id(`{ secret (uri: "file://${host}/secret") { id } }`),
    ];
    const calls = secrets.map(
      (secret, n) => `withSecretVariable (name: "S${n}",secret: ${secret})`,
    );
    expect(await stdout("printf $S0 | wc -c; printf $S1 | wc -c; echo $S0 $S1", calls)).toBe(
      "10\n11\n*** ***\n",
    );
    const missing = await id('{ secret (uri: "env://MISSING_VARIABLE") { id } }');
    expect(await stdout("true", [`withSecretVariable (name: "M",secret: ${missing})`])).toBe(
      'secret env var not found: "MIS..."',
    );
  });
});

describe.concurrent("files", () => {
  it("are written in containers, also through links, never outside of them", async () => {
    const calls = [
      'withNewFile (path: "/a/b.txt",contents: "new",permissions: 448)',
      'withExec (args: ["ln","-s","/etc","/link"])',
      'withNewFile (path: "/link/made",contents: "inside")',
    ];
    expect(await stdout("stat -c %a /a/b.txt; cat /etc/made", calls)).toBe("700\ninside");
    const wayOut = 'withExec (args: ["ln","-s","../../../../../../etc/shadow","/out"])';
    const { errors } = await container([wayOut], 'file (path: "/out") { contents }');
    expect(errors?.[0]?.message).toBe("/out: no such file or directory");
  });

  it("come from the host and go back to it", async () => {
    await writeFile(join(host, "in.txt"), "in");
    const directory = await id('{ host { directory (path: ".",include: ["in.*"]) { id } } }');
    const file = await id('{ host { file (path: "in.txt") { id } } }');
    const calls = [
      `withDirectory (path: "/d",source: ${directory})`,
      `withFile (path: "/f",source: ${file})`,
      'withExec (args: ["sh","-c","cat /d/* /f > /d/out.txt"])',
    ];
    expect(leaf(await container(calls, 'directory (path: "/d") { entries }'))).toEqual([
      "in.txt",
      "out.txt",
    ]);
    expect(leaf(await container(calls, 'file (path: "/d/out.txt") { export (path: "o/f") }'))).toBe(
      join(host, "o/f"),
    );
    await container(calls, 'directory (path: "/d") { export (path: "o/d") }');
    expect(await readFile(join(host, "o/f"), "utf8")).toBe("inin");
    expect(await readFile(join(host, "o/d/out.txt"), "utf8")).toBe("inin");
  });

  it("are listed, matched and read", async () => {
    const directory = `{ directory { withNewFile (path: "src/a.ts",contents: "1\\n2\\n3\\n") {
      withNewFile (path: "b.md",contents: "") {`;
    const ask = async (selection: string) =>
      leaf(await query(dagger, `${directory} ${selection} } } }`.concat(" }")));
    expect(await ask("entries")).toEqual(["b.md", "src/"]);
    expect(await ask('glob (pattern: "**/*.ts")')).toEqual(["src/a.ts"]);
    expect(await ask('directory (path: "src") { entries }')).toEqual(["a.ts"]);
    expect(await ask('file (path: "src/a.ts") { contents (offsetLines: 1,limitLines: 1) }')).toBe(
      "2\n",
    );
    expect(await ask('file (path: "src/a.ts") { size }')).toBe(6);
  });

  it.each([
    ['file (path: "/missing") { contents }', "/missing: no such file or directory"],
    ['file (path: "/etc") { contents }', "path /etc is a directory, not a file"],
    ['directory (path: "/etc/passwd") { entries }', "path /etc/passwd is a file, not a directory"],
  ])("explains why %s fails", async (selection, message) => {
    expect((await container([], selection)).errors?.[0]?.message).toBe(message);
  });
});
