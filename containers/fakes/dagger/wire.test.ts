/** The facts of the wire, as requests and answers: what the SDK sends, what the engine returns. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeDagger, startFakeDagger } from "./in-process.ts";
import { authorization, exec, leaf, literal, query, shell } from "./testing.ts";

let dagger: FakeDagger;
beforeAll(async () => {
  dagger = await startFakeDagger();
});
afterAll(() => dagger.close());

async function id(text: string): Promise<string> {
  return literal(leaf(await query(dagger, text)));
}

describe("HTTP", () => {
  it("asks for the token as the user of basic authentication", async () => {
    const url = `http://127.0.0.1:${dagger.port}/query`;
    for (const headers of [{}, { authorization: authorization("other") }]) {
      const response = await fetch(url, { method: "POST", headers });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain("Basic");
    }
  });

  it("knows no other paths", async () => {
    const headers = { authorization: authorization(dagger.token) };
    const response = await fetch(`http://127.0.0.1:${dagger.port}/other`, { headers });
    expect([response.status, await response.text()]).toEqual([404, "404 page not found\n"]);
  });

  it("refuses a body that is no JSON", async () => {
    const headers = { authorization: authorization(dagger.token) };
    const url = `http://127.0.0.1:${dagger.port}/query`;
    const response = await fetch(url, { method: "POST", headers, body: "{" });
    expect([response.status, await response.json()]).toMatchObject([400, { data: null }]);
  });
});

describe("GraphQL", () => {
  it("answers version and platform", async () => {
    expect(await query(dagger, "{ version }")).toEqual({
      status: 200,
      data: { version: "v0.21.9" },
    });
    expect(leaf(await query(dagger, "{ defaultPlatform }"))).toMatch(/^linux\/(amd64|arm64)$/);
    const platform = '{ container { from (address: "alpine") { platform } } }';
    expect(leaf(await query(dagger, platform))).toMatch(/^linux\//);
  });

  it("nests data as the query does, under the names that it gives", async () => {
    const text = `{ c: container { from (address: "node:24") { workdir, u: user } } version }`;
    expect(await query(dagger, text)).toMatchObject({
      data: { c: { from: { workdir: "/", u: "" } }, version: "v0.21.9" },
    });
  });

  it.each([
    ["{ nothing }", 'Cannot query field "nothing" on type "Query".'],
    ["{ container { nothing } }", 'Cannot query field "nothing" on type "Container".'],
    ["{ container { withWorkdir { id } } }", /argument "path" of type "String!" is required/],
  ])("refuses %s as the validation of a schema does", async (text, message) => {
    const answer = await query(dagger, text);
    expect(answer).toMatchObject({
      status: 422,
      data: null,
      errors: [{ extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }],
    });
    expect(answer.errors?.[0]?.message).toMatch(message);
  });

  it("refuses what is no GraphQL", async () => {
    expect(await query(dagger, "{ version")).toMatchObject({
      status: 422,
      errors: [{ extensions: { code: "GRAPHQL_PARSE_FAILED" } }],
    });
  });

  it("runs one command for the chain of every feature that a task needs", async () => {
    const directory = await id(
      '{ directory { withNewFile (path: "main.js",contents: "from file") { id } } }',
    );
    const cache = await id('{ cacheVolume (key: "npm") { id } }');
    const secret = await id('{ setSecret (name: "s1",plaintext: "hush") { id } }');
    const text = `{ container { from (address: "alpine") {
      withMountedDirectory (path: "/w",source: ${directory}) {
      withMountedCache (path: "/c",cache: ${cache},sharing: LOCKED) {
      withEnvVariable (name: "A",value: "1") { withSecretVariable (name: "TOKEN",secret: ${secret}) {
      ${exec("cat /w/main.js; echo $A $TOKEN; ls -d /c; cat", "exitCode stdout", ',expect: ANY,stdin: "x"')}
    } } } } } } }`;
    const result = { exitCode: 0, stdout: "from file1 ***\n/c\nx" };
    expect(await query(dagger, text)).toMatchObject({ status: 200 });
    expect(JSON.stringify((await query(dagger, text)).data)).toContain(JSON.stringify(result));
  });

  it("takes the id of a synced container up again", async () => {
    const container = await id(shell("echo out; echo err >&2", "sync"));
    for (const [field, value] of [
      ["stdout", "out\n"],
      ["stderr", "err\n"],
      ["exitCode", 0],
    ]) {
      const text = `{ node (id: ${container}) { ... on Container { ${field} } } }`;
      expect(await query(dagger, text)).toEqual({
        status: 200,
        data: { node: { [`${field}`]: value } },
      });
    }
    const wrong = `{ node (id: ${container}) { ... on Directory { entries } } }`;
    expect(await query(dagger, wrong)).toEqual({ status: 200, data: { node: {} } });
  });

  it("keeps ids for another session, and gives equal chains equal ids", async () => {
    const text = '{ directory { withNewFile (path: "a",contents: "b") { id } } }';
    const first = await id(text);
    expect(await id(text)).toBe(first);
    const other = await dagger.openSession();
    const answer = await query(other, `{ node (id: ${first}) { ... on Directory { entries } } }`);
    expect(leaf(answer)).toEqual(["a"]);
  });

  it("refuses ids of another type, and what is no id", async () => {
    const cache = await id('{ cacheVolume (key: "k") { id } }');
    for (const [given, message] of [
      [cache, "expected Directory ID, got CacheVolume"],
      ['"junk"', /invalid ID/],
    ]) {
      const text = `{ container { withMountedDirectory (path: "/w",source: ${given}) { id } } }`;
      const answer = await query(dagger, text);
      expect(answer).toMatchObject({ status: 200, data: null });
      expect(answer.errors?.[0]?.message).toMatch(message ?? "");
    }
  });

  it("reports a failed command with its error's extensions and path, and no data", async () => {
    const answer = await query(dagger, shell("echo out; echo err >&2; exit 3"));
    expect(answer).toMatchObject({
      status: 200,
      data: null,
      errors: [
        {
          path: ["container", "from", "withExec", "stdout"],
          extensions: {
            _type: "EXEC_ERROR",
            cmd: ["sh", "-c", "echo out; echo err >&2; exit 3"],
            exitCode: 3,
            stdout: "out",
            stderr: "err",
          },
        },
      ],
    });
    expect(answer.errors?.[0]?.message).toMatch(
      /^exit code: 3 \[traceparent:[0-9a-f]{32}-[0-9a-f]{16}\]$/,
    );
  });

  it("keeps of a failed command's output the last 100 KiB", async () => {
    const line = "yes | head -c 200000; echo; echo end; exit 1";
    const { errors } = await query(dagger, shell(line));
    const stdout = String(errors?.[0]?.extensions?.stdout);
    expect(stdout.length).toBeLessThanOrEqual(102_400);
    expect(stdout).toMatch(/^\[omitting 97605 bytes\]\.\.\.[\s\S]*end$/);
  });

  it("resolves an image as soon as it is named", async () => {
    const message =
      /^failed to resolve image "docker.io\/library\/does-not-exist:1" \(platform: "linux\/\w+"\): /;
    const { data, errors } = await query(
      dagger,
      '{ container { from (address: "does-not-exist:1") { id } } }',
    );
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ path: ["container", "from"] }]);
    expect(errors?.[0]?.message).toMatch(message);
  });

  it("has no output before a command", async () => {
    const { errors } = await query(dagger, '{ container { from (address: "alpine") { stdout } } }');
    expect(errors).toMatchObject([{ message: "no command has been set" }]);
  });
});
