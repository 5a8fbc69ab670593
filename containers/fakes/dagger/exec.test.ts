/** What commands see and what becomes of them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { isExpected } from "./exec.ts";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { sandboxMode } from "./sandbox.ts";
import { inAlpine, leaf, query, shell, stdoutOf } from "./testing.ts";

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

const container = (calls: readonly string[], selection: string) =>
  inAlpine(dagger, calls, selection);
const stdout = (line: string, calls: readonly string[] = []) => stdoutOf(dagger, line, calls);

describe("isExpected", () => {
  it.each([
    ["SUCCESS", [0], [1, 127, 128, 255]],
    ["FAILURE", [1, 127, 192, 255], [0, 128, 137, 191]],
    ["ANY", [0, 1, 127, 192, 255], [128, 137, 143, 191]],
  ] as const)("%s", (expect_, allowed, refused) => {
    expect(allowed.filter((code) => !isExpected(code, expect_))).toEqual([]);
    expect(refused.filter((code) => isExpected(code, expect_))).toEqual([]);
  });
});

describe.concurrent("a command's exit", () => {
  it.each([0, 1, 127, 192, 255])("by code %i is a result with expect ANY", async (code) => {
    const answer = await query(dagger, shell(`exit ${code}`, "exitCode", ",expect: ANY"));
    expect(leaf(answer)).toBe(code);
  });

  it.each([
    ["exit 128", 128],
    ["exit 191", 191],
    ["kill -KILL $$", 137],
    ["kill -TERM $$", 143],
  ])("by %j is an error even so", async (line, exitCode) => {
    const { data, errors } = await query(dagger, shell(line, "exitCode", ",expect: ANY"));
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ extensions: { _type: "EXEC_ERROR", exitCode, stderr: "" } }]);
  });

  it.each([
    ['["missing"]', 'exec: "missing": executable file not found in $PATH\n'],
    ['["/missing"]', "fork/exec /missing: no such file or directory\n"],
    ['["/etc/passwd"]', "fork/exec /etc/passwd: permission denied\n"],
  ])("of %s tells why it could not start", async (args, stderr) => {
    const answer = await container([], `withExec (args: ${args},expect: ANY) { exitCode stderr }`);
    expect(JSON.stringify(answer.data)).toContain(JSON.stringify({ exitCode: 1, stderr }));
  });

  it("ends what it left behind", async () => {
    expect(await stdout("sleep 1000 & echo gone")).toBe("gone\n");
  });
});

describe("a command's world", () => {
  it("is sandboxed on the machine that runs these tests", async () => {
    expect(await sandboxMode()).not.toBe("none");
  });

  it("has absolute paths, and of the host its tools alone", async () => {
    const line = `ls / | grep -v lib | xargs; ls ${host}; touch /usr/x; cd /usr; echo x > /x; cat /x`;
    expect(await stdout(`(${line}) 2>&1`)).toBe(
      [
        "bin dev etc home opt proc root run sbin sys tmp usr var",
        `ls: cannot access '${host}': No such file or directory`,
        "touch: cannot touch '/usr/x': Read-only file system",
        "x\n",
      ].join("\n"),
    );
  });

  it("is the same in a user namespace, but for users", async () => {
    vi.stubEnv("FAKE_DAGGER_SANDBOX", "user-namespaces");
    const line = "id -un; pwd; cat /a/b; touch /usr/x 2>&1 | tail -c 22";
    const calls = [
      'withNewFile (path: "/a/b",contents: "c\\n")',
      'withWorkdir (path: "/w")',
      'withUser (name: "nobody")',
    ];
    expect(await stdout(line, calls)).toBe("root\n/w\nc\nRead-only file system\n");
    vi.unstubAllEnvs();
  });

  it("is the host's, but for its working directory, where there is no sandbox", async () => {
    vi.stubEnv("FAKE_DAGGER_SANDBOX", "none");
    const answer = await container(
      ['withWorkdir (path: "/job")'],
      `withExec (args: ["sh","-c","echo here > relative; cat relative"],redirectStdout: "copy") {
        file (path: "/job/relative") { contents } copy: file (path: "copy") { contents }
      }`,
    );
    vi.unstubAllEnvs();
    expect(JSON.stringify(answer.data)).toContain(
      '{"file":{"contents":"here\\n"},"copy":{"contents":"here\\n"}}',
    );
  });

  it("is its own: no other container's files, no other processes", async () => {
    await stdout("echo mine > /tmp/mine");
    expect(await stdout("ls /tmp; ls -d /proc/[0-9]* | wc -l")).toMatch(/^[3-6]\n$/);
  });

  it("goes on from the command before", async () => {
    const first = 'withExec (args: ["sh","-c","echo kept > /kept"])';
    expect(await stdout("cat /kept", [first])).toBe("kept\n");
  });

  it("has the working directory, the variables and the user that were set", async () => {
    const calls = [
      'withWorkdir (path: "/job/deep")',
      'withWorkdir (path: "../x")',
      'withEnvVariable (name: "A",value: "a")',
      'withEnvVariable (name: "B",value: "$A-${A}b",expand: true)',
      'withEnvVariable (name: "GONE",value: "1")',
      'withoutEnvVariable (name: "GONE")',
      'withVolatileVariable (name: "V",value: "v")',
      'withUser (name: "nobody")',
    ];
    expect(await stdout("pwd; echo $B $V $GONE; id -un", calls)).toBe("/job/x\na-ab v\nnobody\n");
  });

  it("has minimal variables of its image", async () => {
    const line = 'env | cut -d= -f1 | grep -v "^PWD$" | sort | xargs';
    expect(await stdout(line)).toBe("HOME PATH\n");
  });

  it.each([
    ["node:22", '["node","-p","process.versions.node.split(\\".\\")[0]"]', /^\d+\n$/],
    ["python:3", '["python","-c","print(6 * 7)"]', /^42\n$/],
    ["bash", '["bash","-c","echo ${BASH_VERSION%%.*}"]', /^\d+\n$/],
  ])("has the tools of %s", async (image, args, expected) => {
    const text = `{ container { from (address: "${image}") { withExec (args: ${args}) { stdout } } } }`;
    expect(leaf(await query(dagger, text))).toMatch(expected);
  });

  it("has the entrypoint and the default arguments when they are asked for", async () => {
    const calls = [
      'withEntrypoint (args: ["echo","entry"])',
      'withDefaultArgs (args: ["default"])',
    ];
    const run = async (args: string) =>
      leaf(await container(calls, `withExec (args: ${args},useEntrypoint: true) { stdout }`));
    expect(await run('["given"]')).toBe("entry given\n");
    expect(await run("[]")).toBe("entry default\n");
  });

  it("reads what it is given and writes where it is told to", async () => {
    const answer = await container(
      ['withWorkdir (path: "/w")'],
      `withExec (args: ["sh","-c","cat; echo err >&2"],stdin: "in",redirectStdout: "out.txt",redirectStderr: "/err.txt") {
        stdout stderr combinedOutput a: file (path: "out.txt") { contents } b: file (path: "/err.txt") { contents size }
      }`,
    );
    expect(answer.data).toMatchObject({
      container: {
        from: {
          withWorkdir: {
            withExec: {
              stdout: "in",
              stderr: "err\n",
              combinedOutput: "inerr\n",
              a: { contents: "in" },
              b: { contents: "err\n", size: 4 },
            },
          },
        },
      },
    });
  });
});
