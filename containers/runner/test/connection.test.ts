/** The runner's connection, against a pool that fails. */
import { describe, expect } from "vitest";
import { assign, test, until } from "./fixture.ts";
import { PoolServer } from "./pool-server.ts";

describe("the connection", { concurrent: true }, () => {
  test("falls back to long-poll where no WebSocket gets through", async ({ fixture }) => {
    const { pool } = fixture;
    pool.faults.upgradeStatus = 426;
    const runner = await fixture.connect();
    expect(pool.upgrades).toBe(2);
    await runner.said("by long-poll");
    pool.send(assign("a", "echo hello"));
    await fixture.ended("a");
  });

  test("is made anew when the service answers no ping", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.freeze();
    await until(() => pool.connections === 2, "it connects again");
    await runner.said("answers no ping");
  });

  test("is told of once while the service is gone, and works when it is back", async ({
    fixture,
  }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.send(assign("a", "echo up; until [ -e go ]; do sleep 0.05; done; echo back"));
    await fixture.logged("a", "up");
    const { port } = pool;
    await pool.stop();
    await runner.said("lost the connection");
    fixture.pool = await PoolServer.start(port);
    fixture.pool.inherit(pool);
    await until(() => fixture.pool.connections === 1, "it connects again");
    fixture.put("workspace/go");
    await fixture.ended("a");
    expect(fixture.pool.text("a", "stdout")).toBe("up\nback\n");
    expect(runner.stderr.match(/lost the connection|cannot be reached/g)).toHaveLength(1);
  });

  test("brings output again as soon as the service asks for it", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect();
    pool.faults.losesLogs = 1;
    pool.send(assign("a", "echo lost; until [ -e ../go ]; do sleep 0.02; done; echo later"));
    await until(() => pool.faults.losesLogs === 0, "output is lost");
    const began = performance.now();
    fixture.put("go");
    await fixture.ended("a");
    expect(pool.text("a", "stdout")).toBe("lost\nlater\n");
    expect(pool.taken.get("a")?.gaps).toBeGreaterThan(0);
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  test("of a service that takes no output costs no output within the bound, and a marker beyond", async ({
    fixture,
  }) => {
    const { pool } = fixture;
    await fixture.connect("--log-buffer-mib", "2");
    pool.faults.acknowledgesLogs = false;
    pool.send(
      assign(
        "a",
        "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo at last >&2; sleep 1; echo z",
      ),
    );
    await until(() => (pool.taken.get("a")?.entries.length ?? 0) >= 16, "output comes");
    pool.faults.acknowledgesLogs = true;
    pool.cut();
    await fixture.ended("a");
    const text = pool.text("a", "stdout") + pool.text("a", "stderr");
    expect(text).toContain("output is missing here");
    expect(text.length).toBeLessThan(2 * 1024 * 1024 + 1_000);
    expect(pool.taken.get("a")?.gaps).toBe(0);
  });
});
