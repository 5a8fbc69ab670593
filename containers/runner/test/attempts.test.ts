/** Attempts of the runner, against a pool that a test scripts. */
import { describe, expect } from "vitest";
import { PROTOCOL_VERSION } from "../../../workers/executors/runner/protocol.ts";
import { dispatchKey } from "../src/agent.ts";
import { assign, test, until } from "./fixture.ts";

describe.each(["websocket", "poll"])("by %s", { concurrent: true }, (transport) => {
  test("runs what it is assigned, with secrets, files and artifacts", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect("--transport", transport, "--labels", "gpu, linux");
    expect(pool.last("hello")).toMatchObject({
      protocol: PROTOCOL_VERSION,
      labels: ["gpu", "linux"],
      task_types: ["subprocess"],
      slots: 4,
      running: [],
    });
    pool.blobs.set("kept", Buffer.from([0, 255]));
    const work = {
      secrets: ["TOKEN"],
      artifacts: ["out/*"],
      mounts: [{ path: "in/raw", key: "kept" }],
    };
    pool.send(
      assign(
        "a",
        'echo "token $TOKEN"; mkdir out; cp in/raw out/; echo n=1 >> "$PIPELZR_OUTPUT"; echo done',
        { work, secrets: { TOKEN: "s3cr3t-value" } },
      ),
    );
    await fixture.ended("a");
    expect(fixture.outcomeOf("a")).toEqual({
      status: "completed",
      exit_code: 0,
      result: { n: "1" },
    });
    expect(pool.text("a", "stdout")).toBe("token ***\ndone\n");
    expect(pool.artifacts.get("out/raw")).toEqual(Buffer.from([0, 255]));
    await until(() => fixture.leftInState().length === 0, "the attempt's folder is removed");
    expect(runner.stderr).not.toContain("s3cr3t");
    expect(JSON.stringify(pool.frames)).not.toContain("s3cr3t");
  });

  test("stops what is cancelled within two seconds, also what ignores it", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect("--transport", transport);
    pool.send(assign("a", "trap '' TERM; echo up; setsid sleep 300 & while :; do sleep 0.1; done"));
    await fixture.logged("a", "up");
    const began = performance.now();
    pool.send({ type: "cancel", attempt: "a", epoch: 1, reason: "cancel", grace_ms: 300 });
    await fixture.ended("a");
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(fixture.outcomeOf("a")).toEqual({ status: "cancelled" });
    expect(fixture.processes()).toEqual([]);
  });

  test("goes on while the connection is gone, and what it wrote comes without gap or duplicate", async ({
    fixture,
  }) => {
    const { pool } = fixture;
    let cuts = 0;
    await fixture.connect("--transport", transport);
    pool.onLog = ({ from }) => {
      if (from > 0 && pool.connections === cuts + 1 && cuts < 3) {
        cuts += 1;
        pool.cut();
      }
    };
    pool.faults.acknowledgeAfterMs = 5;
    const lines = 100_000;
    const block = lines / 4;
    const written = [0, 1, 2, 3].map((index) => {
      const gate = index === 0 ? "" : `until [ -e ../go${index} ]; do sleep 0.02; done; `;
      return `${gate}seq -f 'line %.0f' ${index * block + 1} ${(index + 1) * block}`;
    });
    pool.send(assign("a", `${written.join("; ")}; echo end >&2`));
    for (const gate of [1, 2, 3]) {
      await until(() => cuts >= gate && pool.connections > gate, `connection ${gate} is cut`);
      fixture.put(`go${gate}`);
    }
    await fixture.ended("a");
    const expected = Array.from({ length: lines }, (_, index) => `line ${index + 1}\n`).join("");
    expect(pool.text("a", "stdout") === expected).toBe(true);
    expect(pool.text("a", "stderr")).toBe("end\n");
    expect(pool.taken.get("a")?.gaps).toBe(0);
    expect(cuts).toBe(3);
  });

  test("says how it ended until that is acknowledged", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect("--transport", transport);
    pool.faults.acknowledgesOutcomes = false;
    pool.send(assign("a", "echo once"));
    await fixture.ended("a");
    pool.cut();
    await until(() => (pool.taken.get("a")?.completes ?? 0) >= 2, "the outcome comes again");
    await fixture.holds("a");
    pool.faults.acknowledgesOutcomes = true;
    pool.cut();
    await fixture.holds();
    expect(pool.text("a", "stdout")).toBe("once\n");
    await until(() => fixture.leftInState().length === 0, "its output is removed");
  });

  test("kills what is fenced and reports nothing of it", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect("--transport", transport);
    pool.send(assign("a", "echo up; until [ -e ../go ]; do sleep 0.02; done; echo on; sleep 300"));
    await fixture.logged("a", "up");
    pool.send({ type: "fenced", attempt: "a", epoch: 2 });
    // Sent after it, so that the runner has heard of the other dispatch by then.
    pool.send(assign("b", "echo up; sleep 300"));
    await fixture.logged("b", "up");
    await fixture.holds("a", "b");
    for (const folder of fixture.folders()) fixture.put("go", folder);
    await fixture.logged("a", "on");
    for (const attempt of ["a", "b"]) pool.send({ type: "fenced", attempt, epoch: 1 });
    await until(() => fixture.processes().length === 0, "its processes end");
    await fixture.holds();
    expect(pool.last("complete")).toBeUndefined();
  });
});

describe("assignments", { concurrent: true }, () => {
  test("are rejected when there is no slot, no such type, or a newer dispatch has been here", async ({
    fixture,
  }) => {
    const { pool } = fixture;
    await fixture.connect("--slots", "1");
    pool.send(assign("a", "echo $$ up; sleep 300", { epoch: 2 }));
    await fixture.logged("a", "up");
    const older = Number.parseInt(pool.text("a", "stdout"), 10);
    const rejection = async (frame: ReturnType<typeof assign>) => {
      pool.send(frame);
      await until(() => pool.last("rejected")?.attempt === frame.attempt, "it is rejected");
      return pool.last("rejected")?.reason;
    };
    expect(fixture.processes()).toContain(older);
    expect(await rejection(assign("b", "true"))).toContain("slots are taken");
    expect(await rejection(assign("c", "true", { work: { task_type: "e2b" } }))).toContain(
      "not started for e2b",
    );
    expect(await rejection(assign("a", "true", { epoch: 1 }))).toContain("not newer");
    pool.send(assign("a", "echo newer; sleep 300", { epoch: 3 }));
    await fixture.logged("a", "newer");
    await until(() => !fixture.processes().includes(older), "the older dispatch is gone");
    await until(
      () => pool.last("heartbeat")?.running.map(dispatchKey).join() === "a@3",
      "the newer one is all there is",
    );
    expect(pool.last("complete")).toBeUndefined();
  });

  test("that say what this version does not know go elsewhere", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect();
    const frame = assign("a", "true");
    pool.send(Object.assign(frame, { work: { ...frame.work, language: "cobol" } }));
    await until(() => pool.last("rejected") !== undefined, "it is rejected");
    expect(pool.last("rejected")?.reason).toContain("language");
  });

  test("end at their deadline when the service is gone", async ({ fixture }) => {
    const { pool } = fixture;
    const runner = await fixture.connect();
    pool.send(assign("a", "echo up; sleep 300", { timeout_ms: 200 }));
    await fixture.logged("a", "up");
    await pool.stop();
    expect(fixture.processes().length).toBeGreaterThan(0);
    await until(() => fixture.processes().length === 0, "its processes end", 10_000);
    expect(runner.hasEnded).toBe(false);
  });

  test("whose files are fenced are dropped", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect();
    pool.fenced.add("a@1");
    pool.send(assign("a", "true", { work: { files: { kind: "stored", key: "k", bytes: 1 } } }));
    await until(() => pool.last("started") !== undefined, "it is started");
    await fixture.holds();
    expect(pool.last("complete")).toBeUndefined();
  });

  test("are killed when a welcome does not name them", async ({ fixture }) => {
    const { pool } = fixture;
    await fixture.connect();
    pool.send(assign("a", "echo up; sleep 300"));
    pool.send(assign("b", "echo up; sleep 0.5; echo done"));
    await Promise.all([fixture.logged("a", "up"), fixture.logged("b", "up")]);
    pool.faults.resumes = ({ attempt }) => attempt === "b";
    pool.cut();
    await fixture.ended("b");
    expect(pool.text("b", "stdout")).toBe("up\ndone\n");
    expect(fixture.processes()).toEqual([]);
    expect(fixture.outcomeOf("a")).toBeNull();
  });
});
