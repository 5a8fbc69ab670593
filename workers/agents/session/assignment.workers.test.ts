/** Sessions that are steps of runs: however often they die, the run is told what they came to. */
import { runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { newSeed } from "../../http/seed.ts";
import { resourceId } from "../../runs/address.ts";
import type { ParentRef } from "../../runs/store-types.ts";
import { OPENAI, script } from "../models/test-support.ts";
import { writeOrder } from "../order.ts";
import { agentSpecSchema } from "../spec.ts";
import { AGENT_KIND } from "./row.ts";
import { dieAfter, objectOf, reports, resetTools, stubOf, words } from "./test-support.ts";

beforeEach(resetTools);

const PROJECT = "assignment-tests";
const WAIT = { timeout: 10_000, interval: 5 };

function assignment() {
  const resource_id = resourceId(newSeed(), PROJECT);
  const parent: ParentRef = { resource_id, run: 1, step: 0, epoch: 1, depth: 1, placement: "own" };
  const id = resourceId(newSeed(), PROJECT);
  const spec = agentSpecSchema.parse({ name: "step", model: OPENAI });
  const document = writeOrder({ spec, prompt: "Go.", grants: [] });
  const made_of = { kind: AGENT_KIND, document };
  const start = { resource_id: id, project_id: PROJECT, made_of, parent, inputs: "{}" };
  return {
    id,
    begin: async () => await stubOf(id).beginChild(start),
    stop: async () => await stubOf(id).cancelChild(id, parent),
    /** What the run was told of its end, each time. */
    ends: () =>
      reports.filter((report) => report.parent.resource_id === resource_id && report.result),
    alarm: () => runInDurableObject(stubOf(id), (_, { storage }) => storage.getAlarm()),
  };
}

describe("an agent of a step", () => {
  it("comes to its end whichever commit it dies at", async () => {
    let deaths = 0;
    for (let commits = 1; deaths === commits - 1; commits += 1) {
      await script(words("Done."), words("Done."), words("Done."));
      const { id, begin, ends, alarm } = assignment();
      dieAfter(commits);
      // As the run does: it asks until it is answered.
      await vi.waitFor(begin, WAIT);
      // Of some nobody asks any more: their alarm alone has them go on.
      const isLeftAlone = commits % 4 === 0;
      await vi.waitFor(async () => {
        if (!isLeftAlone) await objectOf(id).read();
        expect(ends()).not.toEqual([]);
      }, WAIT);
      deaths += dieAfter(null) ? 0 : 1;
      for (const { result, outputs } of ends()) {
        expect(result).toEqual({ status: "completed", exit_code: null });
        expect(outputs).toBe(JSON.stringify({ text: "Done.", agent_id: id }));
      }
      await vi.waitFor(async () => {
        const session = await objectOf(id).read();
        expect(session).toMatchObject({ state: "terminated", turns: 1 });
        expect(await alarm()).toBeNull();
      }, WAIT);
    }
    expect(deaths).toBeGreaterThan(5);
  }, 60_000);

  it("tells its end again to a run that asks again", async () => {
    await script(words("Done."));
    const { begin, ends } = assignment();
    await begin();
    await vi.waitFor(() => expect(ends()).toHaveLength(1), WAIT);
    await begin();
    await vi.waitFor(() => expect(ends()).toHaveLength(2), WAIT);
    expect(ends()[1]).toEqual(ends()[0]);
  });

  it("is not begun after its stop", async () => {
    const { id, begin, stop, alarm } = assignment();
    const cancelled = { result: { status: "cancelled" } };
    expect(await stop()).toMatchObject(cancelled);
    expect(await begin()).toMatchObject(cancelled);
    expect(await objectOf(id).read()).toEqual({ refused: "not_found" });
    expect(await alarm()).toBeGreaterThan(Date.now());
    await runInDurableObject(stubOf(id), (object) => object.alarm());
    await runInDurableObject(stubOf(id), async (_, { storage }) => {
      expect([...(await storage.list()).keys()]).toEqual([]);
    });
  });

  it("is stopped while it works, and says so", async () => {
    await script({ ...words("One.", "Two."), fault: { kind: "hold", after_events: 2 } });
    const { begin, stop, ends } = assignment();
    await begin();
    await stop();
    await vi.waitFor(() => expect(ends()).not.toEqual([]), WAIT);
    expect(ends()[0]?.result).toEqual({ status: "cancelled" });
  });
});
