/** What keeps sandboxes apart and ends them whole, for each way of doing so. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bash,
  control,
  create,
  enter,
  eventually,
  type Handle,
  outputOf,
  stream,
} from "./fixture.ts";
import { chooseIsolation, ISOLATION_KINDS } from "./isolation.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

const { kind: best } = await chooseIsolation();

/** Processes of this machine that a sandbox's commands are, or started. */
function livingOf({ sandboxID }: Handle): number {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const environment = readFileSync(`/proc/${name}/environ`, "latin1").split("\0");
      return environment.includes(`E2B_SANDBOX_ID=${sandboxID}`);
    } catch {
      return false;
    }
  }).length;
}

describe.each(ISOLATION_KINDS.filter((kind) => kind === "folders" || kind === best))(
  "by %s",
  (kind) => {
    let fake: FakeE2B;
    beforeAll(async () => {
      fake = await startFakeE2B({ isolation: kind });
    });
    afterAll(() => fake.stop());

    const rootOf = ({ sandboxID }: Handle) =>
      fake.inspect().sandboxes.find(({ id }) => id === sandboxID)?.root ?? "";

    it("has home and working directory where the file API has them", async () => {
      const box = await create(fake);
      await outputOf(fake, box, 'echo from-command > "$HOME/f"; mkdir -p sub; echo sub > sub/g');
      const read = async (path: string) => (await enter(fake, box, `/files?path=${path}`)).text();
      expect(await read("/home/user/f")).toBe("from-command\n");
      expect(await read("sub/g")).toBe("sub\n");
    });

    it("ends every process of a killed sandbox, whatever it became, and its folder", async () => {
      const box = await create(fake);
      const root = rootOf(box);
      expect(existsSync(root)).toBe(true);
      const line =
        "(sleep 60 & setsid sleep 60 & setsid -f sh -c 'sleep 60 & sleep 60'); echo up; wait; sleep 60";
      const run = await bash(fake, box, line);
      await run.until("up");
      await eventually(() => livingOf(box)).toBeGreaterThanOrEqual(5);
      expect((await control(fake, "DELETE", `/sandboxes/${box.sandboxID}`)).status).toBe(204);
      expect(livingOf(box)).toBe(0);
      expect(existsSync(root)).toBe(false);
      await expect(run.rest()).rejects.toThrow();
    });

    it("stands still while paused, and goes on afterwards", async () => {
      const box = await create(fake);
      const run = await bash(fake, box, "while :; do echo tick >> ~/ticks; sleep 0.01; done");
      const pid = await run.pid();
      const path = `/sandboxes/${box.sandboxID}`;
      const ticks = () => {
        const file = `${rootOf(box)}/home/user/ticks`;
        return existsSync(file) ? readFileSync(file, "utf8").length : 0;
      };
      await eventually(ticks).toBeGreaterThan(0);
      await control(fake, "POST", `${path}/pause`);
      const still = ticks();
      await outputOf(fake, await create(fake), "sleep 0.1");
      expect(ticks()).toBe(still);
      await control(fake, "POST", `/v2${path}/connect`, { timeout: 60 });
      await eventually(ticks).toBeGreaterThan(still);
      const again = await stream(fake, box, "Connect", { process: { pid } });
      expect(await again.pid()).toBe(pid);
      again.detach();
    });

    it("loses its processes in a pause without memory, and keeps its files", async () => {
      const box = await create(fake);
      const run = await bash(fake, box, "echo kept > file; echo up; sleep 60");
      const pid = await run.pid();
      await run.until("up");
      const path = `/sandboxes/${box.sandboxID}`;
      await control(fake, "POST", `${path}/pause`, { memory: false });
      await eventually(() => livingOf(box)).toBe(0);
      await control(fake, "POST", `/v2${path}/connect`, { timeout: 60 });
      expect(await outputOf(fake, box, "cat file")).toBe("kept\n");
      const gone = await stream(fake, box, "Connect", { process: { pid } });
      await gone.rest();
      expect(gone.trailer?.error?.code).toBe("not_found");
    });

    it("leaves nothing when the fake stops", async () => {
      const own = await startFakeE2B({ isolation: kind });
      const boxes = await Promise.all([create(own), create(own)]);
      for (const box of boxes) await (await bash(own, box, "sleep 60")).pid();
      const roots = own.inspect().sandboxes.map(({ root }) => root);
      await own.stop();
      expect(boxes.map(livingOf)).toEqual([0, 0]);
      expect(roots.filter(existsSync)).toEqual([]);
    });
  },
);

describe.runIf(best === "namespaces")("by namespaces alone", () => {
  let fake: FakeE2B;
  beforeAll(async () => {
    fake = await startFakeE2B({ isolation: "namespaces" });
  });
  afterAll(() => fake.stop());

  it("the same absolute path is another file in each sandbox", async () => {
    const [one, two] = [await create(fake), await create(fake)];
    for (const path of ["/home/user/x", "/tmp/x", "/var/tmp/x", "/dev/shm/x", "/job/x"]) {
      await outputOf(fake, one, `mkdir -p $(dirname ${path}); echo one > ${path}`);
      expect(await outputOf(fake, two, `cat ${path} 2>&1 || echo none`)).toMatch(/none\n$/);
      expect(await outputOf(fake, one, `cat ${path}`)).toBe("one\n");
    }
    expect(await (await enter(fake, one, "/files?path=/job/x")).text()).toBe("one\n");
    expect((await enter(fake, two, "/files?path=/job/x")).status).toBe(404);
  });

  it("what the machine shares can be read and not written", async () => {
    const box = await create(fake);
    expect(await outputOf(fake, box, "touch /usr/x 2>/dev/null || echo refused")).toBe("refused\n");
    expect((await enter(fake, box, "/files?path=/etc/passwd")).status).toBe(200);
    const init = {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: "x",
    };
    expect((await enter(fake, box, "/files?path=/etc/pipelzr-x", init)).status).toBe(500);
    expect(existsSync("/etc/pipelzr-x")).toBe(false);
  });

  it("a sandbox sees its own processes alone", async () => {
    const [one, two] = [await create(fake), await create(fake)];
    const run = await bash(fake, one, "exec -a visible-name sleep 60");
    await run.pid();
    const look = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[v]isible-name'";
    await eventually(() => outputOf(fake, one, look)).toBe("1\n");
    expect(await outputOf(fake, two, look)).toBe("0\n");
    run.detach();
  });
});
