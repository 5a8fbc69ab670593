/** The runner's process: how it begins, ends, and begins again. */
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { z } from "zod";
import { PROTOCOL_VERSION } from "../../../workers/executors/runner/protocol.ts";
import { assign, test, until } from "./fixture.ts";
import { PoolServer } from "./pool-server.ts";

describe("the process", { concurrent: true }, () => {
  test("keeps its key to itself, and needs token and address only once", async ({ fixture }) => {
    const first = await fixture.connect();
    const path = join(fixture.stateFolder, "runner.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ runner_id: "runner-1" });
    const second = fixture.launch();
    expect(await second.ended()).toBe(1);
    expect(second.stderr).toContain("already uses");
    first.child.kill("SIGTERM");
    expect(await first.ended()).toBe(0);
    await fixture.connect("--token", "");
    expect(fixture.pool.connections).toBe(2);
  });

  test("keeps an address only once it was let in there", async ({ fixture }) => {
    const path = join(fixture.stateFolder, "runner.json");
    const url = () => JSON.parse(readFileSync(path, "utf8")).url;
    const nowhere = "http://127.0.0.1:1";
    const mistyped = fixture.launch("--url", nowhere);
    await mistyped.said("cannot be reached");
    expect(url()).toBeNull();
    await mistyped.kill();
    const first = await fixture.connect();
    await first.kill();
    const again = fixture.launch("--url", nowhere);
    await again.said("cannot be reached");
    expect(url()).toBe(fixture.pool.url);
    await again.kill();
    const moved = fixture.pool.url.replace("127.0.0.1", "localhost");
    await fixture.connect("--url", moved);
    await until(() => url() === moved, "the address is kept");
  });

  test("warns of a connection in the clear before the token is asked for", async ({ fixture }) => {
    const runner = fixture.launch("--url", "http://192.0.2.1", "--token", "");
    expect(await runner.ended()).toBe(1);
    expect(runner.stderr).toMatch(/is not encrypted: the token and secrets.*not registered/s);
  });

  test("asks whether the address is right when it is refused, by a stranger too", async ({
    fixture,
  }) => {
    const used = fixture.launch("--token", "another");
    expect(await used.ended()).toBe(1);
    expect(used.stderr).toContain(
      `The service at ${fixture.pool.url} did not register this runner: The token has been used.`,
    );
    expect(used.stderr).toContain("check --url");
    const connected = await fixture.connect();
    await connected.kill();
    const stranger = createServer((_, response) => response.writeHead(401).end("<html>"));
    await once(stranger.listen(0, "127.0.0.1"), "listening");
    const address = z.object({ port: z.int() }).parse(stranger.address());
    try {
      const lost = fixture.launch("--url", `http://127.0.0.1:${address.port}`);
      expect(await lost.ended()).toBe(1);
      expect(lost.stderr).toContain("It answered 401 without PIPELZR's reasons");
      expect(lost.stderr).toContain("Check that --url names the service");
    } finally {
      stranger.close();
    }
  });

  test("stays when it is refused for good and told to, until it is stopped", async ({
    fixture,
  }) => {
    const runner = fixture.launch("--token", "another", "--stay");
    await runner.said("The token has been used");
    await runner.said("waits to be stopped");
    runner.child.kill("SIGTERM");
    expect(await runner.ended()).toBe(1);
    const revoked = await fixture.connect("--stay");
    fixture.pool.send({ type: "refused", code: "revoked", message: "Removed." });
    await revoked.said("waits to be stopped");
    revoked.child.kill("SIGINT");
    expect(await revoked.ended()).toBe(1);
  });

  test("ends with words when the token is used up", async ({ fixture }) => {
    const runner = fixture.launch("--token", "another");
    expect(await runner.ended()).toBe(1);
    expect(runner.stderr).toContain("The token has been used. A token works once");
  });

  test("ends with words when it is revoked, and takes what runs along", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.send(assign("a", "echo up; sleep 300"));
    await fixture.logged("a", "up");
    pool.send({ type: "refused", code: "revoked", message: "An administrator removed it." });
    expect(await runner.ended()).toBe(1);
    expect(runner.stderr).toContain("(revoked): An administrator removed it.");
    expect(fixture.processes()).toEqual([]);
  });

  test("ends with words when its version does not fit", async ({ fixture }) => {
    fixture.pool.faults.refusal = { code: "protocol", message: "Update the runner." };
    const refused = await fixture.connect();
    expect(await refused.ended()).toBe(1);
    expect(refused.stderr).toContain("Update the runner.");
    fixture.pool.faults.refusal = null;
    fixture.pool.faults.protocol = PROTOCOL_VERSION + 1;
    const newer = await fixture.connect();
    expect(await newer.ended()).toBe(1);
    expect(newer.stderr).toContain(`speaks version ${PROTOCOL_VERSION + 1}`);
  });

  test("says once that there is no service, and goes on trying", async ({ fixture }) => {
    const { port } = fixture.pool;
    await fixture.pool.stop();
    const runner = fixture.launch("--url", `http://127.0.0.1:${port}`);
    await runner.said("cannot be reached: connect ECONNREFUSED");
    fixture.pool = await PoolServer.start(port);
    await until(() => fixture.pool.connections === 1, "it connects");
    expect(runner.stderr.match(/cannot be reached/g)).toHaveLength(1);
  });

  test("lets attempts end after SIGTERM, and takes nothing new", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.send(assign("a", "echo up; until [ -e ../go ]; do sleep 0.05; done; echo done"));
    await fixture.logged("a", "up");
    runner.child.kill("SIGTERM");
    await until(() => pool.last("heartbeat")?.draining === true, "it says that it drains");
    pool.send(assign("b", "true"));
    await until(() => pool.last("rejected")?.attempt === "b", "it takes nothing new");
    fixture.put("go");
    expect(await runner.ended()).toBe(0);
    expect(pool.text("a", "stdout")).toBe("up\ndone\n");
    expect(fixture.outcomeOf("a")).toMatchObject({ status: "completed" });
  });

  test.for(["websocket", "poll"])(
    "that is idle says by %s that it ends",
    async (transport, { fixture }) => {
      const { pool } = fixture;
      const runner = await fixture.connect("--transport", transport);
      await runner.said("connected to");
      runner.child.kill("SIGTERM");
      expect(await runner.ended()).toBe(0);
      expect(pool.last("heartbeat")).toMatchObject({ draining: true, running: [] });
      expect(pool.endings).toBe(1);
    },
  );

  test("gives up what does not end in time: it has it no more, and says nothing of its end", async ({
    fixture,
  }) => {
    const { pool } = fixture;
    const runner = await fixture.connect("--drain-seconds", "0");
    pool.send(assign("a", "echo up; sleep 300"));
    await fixture.logged("a", "up");
    runner.child.kill("SIGINT");
    expect(await runner.ended()).toBe(0);
    expect(pool.last("heartbeat")).toMatchObject({ draining: true, running: [] });
    expect(pool.last("complete")).toBeUndefined();
    expect(fixture.processes()).toEqual([]);
  });

  test("ends at once at a second signal, and leaves nothing", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.send(assign("a", "trap '' TERM; echo up; sleep 300"));
    await fixture.logged("a", "up");
    runner.child.kill("SIGTERM");
    await runner.said("ends when its attempts have");
    runner.child.kill("SIGTERM");
    expect(await runner.ended()).toBe(1);
    await until(() => fixture.processes().length === 0, "its processes end");
  });

  test("clears what an earlier life left behind after a kill", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.send(assign("a", "echo up; setsid sleep 300 & sleep 300"));
    await fixture.logged("a", "up");
    runner.child.kill("SIGKILL");
    await runner.ended();
    expect(fixture.processes().length).toBeGreaterThan(0);
    const next = await fixture.connect();
    await next.said("an earlier runner left behind");
    expect(fixture.processes()).toEqual([]);
    expect(fixture.leftInState()).toEqual([]);
    expect(pool.last("hello")).toMatchObject({ running: [] });
  });
});
