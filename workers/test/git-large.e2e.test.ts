/** Repositories that are larger than a Worker unpacks: git on a runner brings them. */
import { randomBytes } from "node:crypto";
import { chmodSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { Client } from "./client.ts";
import { GitServer, hasHttpBackend, type TestRepository, writeFiles } from "./git-server.ts";
import { Imports } from "./imports.ts";
import { RunnerProcess } from "./runner-process.ts";
import { TestService } from "./service.ts";

const PATIENCE = { timeout: 60_000, interval: 20 };
const TOKEN = "deploy:s3cret-t0ken";
const AUTHORIZATION = `Basic ${Buffer.from(TOKEN).toString("base64")}`;
const ABOVE_THE_CAP = 26_000_000;
/** git says its version, the service who it is. */
const OWN_AGENT = /pipelzr/;

const tasksSchema = z.object({
  items: z.array(z.object({ id: z.string(), state: z.string() })),
});

describe.skipIf(!hasHttpBackend)("a repository above the cap", () => {
  let server: GitServer;
  let service: TestService;
  let client: Client;
  let runner: RunnerProcess;
  let imports: Imports;
  let made: TestRepository;
  let url: string;
  /** What git, not the service, asks for. */
  let byGit = 0;

  beforeAll(async () => {
    server = await GitServer.start();
    const variables = { OUTBOUND_ALLOW_HOSTS: server.host, SUBPROCESS_ENABLED: "true" };
    service = await TestService.start({ variables });
    client = new Client(service);
    imports = new Imports(client);
    runner = await RunnerProcess.start(client);
    const secret = { name: "DEPLOY_TOKEN", value: TOKEN };
    expect((await client.call("/api/v1/secrets", { json: secret })).status).toBe(201);
    made = server.repository("large");
    url = server.url("large");
    writeFiles(made.folder, {
      "big.bin": randomBytes(ABOVE_THE_CAP),
      ".gitattributes":
        "kept.txt export-ignore\nid.txt ident\nsubst.txt export-subst\n*.crlf text eol=crlf\n",
      "kept.txt": "in the tree, whatever its attributes say of archives\n",
      "id.txt": "$Id$\n",
      "subst.txt": "$Format:%H$\n",
      "lines.crlf": "one\ntwo\n",
      "run.sh": "#!/bin/sh\necho hi\n",
      "grüße 🙂/a.md": "# Hallo\n",
    });
    chmodSync(join(made.folder, "run.sh"), 0o755);
    symlinkSync("run.sh", join(made.folder, "link"));
    made.commit("first");
  });
  afterAll(async () => {
    await runner?.stop();
    await service?.stop();
    await server?.stop();
  });
  beforeEach(() => {
    byGit = 0;
    server.requests.splice(0);
    intercept(() => false);
  });

  /** Lets only those in who have the token; `hold` is asked about what git asks for. */
  function intercept(hold: (response: Parameters<GitServer["intercept"]>[1]) => boolean): void {
    server.intercept = (request, response) => {
      if (request.headers.authorization !== AUTHORIZATION) {
        response.writeHead(401).end();
        return true;
      }
      if (OWN_AGENT.test(request.headers["user-agent"] ?? "")) return false;
      byGit += 1;
      return hold(response);
    };
  }

  const begin = async () => {
    const base = await imports.codebase();
    return { base, number: await imports.begin(base, { url, secret: "DEPLOY_TOKEN" }) };
  };

  const tasksOf = async (base: string) => {
    const { id } = z.object({ id: z.string() }).parse((await client.call(base)).json);
    const { json } = await client.call(`/api/v1/tasks?label=codebase=${id}`);
    return tasksSchema.parse(json).items;
  };

  const askedFor = () => expect.poll(() => byGit, { ...PATIENCE, message: service.output });

  it("has the tree that git has, whatever its attributes say, and shows its secret nowhere", async () => {
    const base = await imports.codebase();
    const ready = await imports.imported(base, { url, secret: "DEPLOY_TOKEN" });
    expect(ready).toMatchObject({
      ...{ state: "ready", root: made.tree(), commit: made.git("rev-parse", "HEAD") },
    });
    const [task, ...others] = await tasksOf(base);
    expect(others).toEqual([]);
    expect(task).toMatchObject({ state: "completed" });
    const shown = await client.call(`/api/v1/tasks/${task?.id}`);
    expect(shown.text).toContain("secrets.DEPLOY_TOKEN");
    const pair = Buffer.from(TOKEN).toString("base64");
    for (const secret of ["s3cret-t0ken", pair]) {
      expect(shown.text + runner.output + service.output).not.toContain(secret);
    }
  });

  it("says what git said when it does not bring it", async () => {
    intercept((response) => {
      response.writeHead(500).end();
      return true;
    });
    const { base, number } = await begin();
    const { error } = await imports.settled(base, number);
    const [task] = await tasksOf(base);
    expect(error).toMatchObject({ code: "source_refused" });
    expect(error?.message).toContain(task?.id);
    expect(error?.message).toMatch(/error: 500/);
  });

  it("goes on after kill -9 of the service, and of the runner, with one task", async () => {
    let isHeld = true;
    intercept(() => isHeld);
    const { base, number } = await begin();
    await askedFor().toBeGreaterThan(0);
    await service.killAndRecover();
    await runner.kill();
    isHeld = false;
    await runner.run();
    expect(await imports.settled(base, number)).toMatchObject({
      ...{ state: "ready", root: made.tree(), error: null },
    });
    expect(await tasksOf(base)).toHaveLength(1);
  });

  it("stops the task of a snapshot that nobody wants any more", async () => {
    intercept(() => true);
    const { base, number } = await begin();
    await askedFor().toBeGreaterThan(0);
    const removed = await client.call(`${base}/snapshots/${number}`, { method: "DELETE" });
    expect(removed.status, removed.text).toBe(204);
    await expect
      .poll(async () => (await tasksOf(base)).map(({ state }) => state), PATIENCE)
      .toEqual(["cancelled"]);
  });
});
