/**
 * Somebody dies while a codebase is changed, at each step that is to last: what is read is one tree or
 * the other, the change comes to its end as if nothing had been, and nothing is left over.
 */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { manifestOf } from "./test-support.ts";
import { Clock, type Death, VICTIMS } from "./test-support-deaths.ts";
import { type Action, actions, MortalCodebase, NEW, OLD, rootOf } from "./test-support-recovery.ts";

const clock = new Clock(Date.now.bind(Date));
beforeAll(() => {
  vi.spyOn(Date, "now").mockImplementation(() => clock.now());
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});
afterAll(() => {
  vi.restoreAllMocks();
});

const pathsOf = (files: typeof OLD) =>
  manifestOf(files)
    .map(([path, oid]) => `${path} ${oid}`)
    .sort();
const trees = new Map([OLD, NEW].map((files) => [rootOf(files), pathsOf(files)]));

/** What is found is all of the one tree that the receipt names. */
async function isWhole({ stub }: MortalCodebase): Promise<void> {
  // Asked first, since a search of what is deleted is an error.
  if ((await stub.snapshot(null)) === null) return;
  const answer = await stub.search({
    ...{ query: "marker", syntax: "github", codebase: "shop", one_of_many: false },
    ...{ snapshot: null, limit: 100, max_matches: 10, context_lines: 0, cursor: null },
    ...{ explain: false, deadline_ms: 10_000 },
  });
  if (answer.status !== "found") return expect.fail(answer.status);
  const { root, files } = answer.receipt;
  const found = answer.items.map(({ path, oid }) => `${path} ${oid}`).sort();
  expect(found).toEqual(trees.get(root));
  expect(files).toBe(found.length);
}

interface Way {
  /** What is done before, by who lives. */
  readonly before: readonly Action[];
  readonly action: Action;
  /** What is done after. */
  readonly after?: Action;
}

const { old, oldManifest, archive, manifest, removal, deletion, mount } = actions;
const WAYS: Readonly<Record<string, Way>> = {
  "an archive": { before: [old], action: archive },
  "a manifest and its blobs, the first of all": { before: [], action: manifest },
  "an import": { before: [], action: actions.import },
  "an import of what is known": { before: [actions.import], action: actions.import },
  "the removal of all": { before: [old, manifest], action: removal },
  "the deletion of the codebase": { before: [old, mount], action: deletion },
};

/** Does the last of the actions with a death in it. */
async function live({ before, action, after }: Way, death: Death | null, isRepeated = true) {
  const codebase = await MortalCodebase.create(clock);
  for (const each of before) await codebase.perform(each, null);
  const earlier = await codebase.census();
  await codebase.perform(action, death, { observe: () => isWhole(codebase), isRepeated });
  const { deaths } = codebase.fate;
  const steps = [...codebase.fate.steps];
  if (after !== undefined) await codebase.perform(after, null);
  await isWhole(codebase);
  const census = await codebase.census();
  codebase.fate.end();
  return { earlier, census, steps, deaths };
}

/** Steps after the first death at which a second one comes; null for none. */
const SECONDS = [null, 2, null, 1, 5] as const;
/** Of each kind at every step; else one at every step, of each kind in turn. */
const isFull = env.TEST_ALL_CRASHES === "true";

function deathsOf(steps: number): Death[] {
  const all = Array.from({ length: steps }, (_, index) => index + 1);
  if (isFull) {
    return [null, 1, 3].flatMap((again) =>
      VICTIMS.flatMap((victim) => all.map((at) => ({ at, victim, again }))),
    );
  }
  return all.map((at) => ({
    ...{ at, victim: VICTIMS[(at + 1) % VICTIMS.length] ?? "all" },
    again: SECONDS[Math.floor(at / 2) % SECONDS.length] ?? null,
  }));
}

/** Before the queue has a job, at the latest. */
const STEPS_OF_CLIENT = 5;
const TIMEOUT_MS = 600_000;

describe("a death at any step", () => {
  it.each(Object.entries(WAYS))(
    "of %s changes nothing of how it ends",
    async (_, way) => {
      const { census, steps } = await live(way, null);
      expect(steps.length).toBeGreaterThan(3);
      for (const death of deathsOf(steps.length)) {
        const ended = await live(way, death);
        const about = `${JSON.stringify(death)}: ${steps[death.at - 1]}`;
        expect(ended.deaths, about).toBeGreaterThan(0);
        expect(ended.census, about).toEqual(census);
      }
    },
    TIMEOUT_MS,
  );

  it.each([
    ["an archive", archive],
    ["an import", actions.import],
  ])(
    "of %s leaves nothing over, although its client does not ask again",
    async (_, action) => {
      const way = { before: [], action };
      const { earlier, census, steps } = await live(way, null);
      for (const death of deathsOf(Math.min(steps.length, STEPS_OF_CLIENT))) {
        const ended = await live(way, death, false);
        const about = `${JSON.stringify(death)}: ${steps[death.at - 1]}`;
        expect([earlier, census], about).toContainEqual(ended.census);
      }
    },
    TIMEOUT_MS,
  );

  it(
    "of a mount leaves nothing over once its snapshot is removed",
    async () => {
      const way = { before: [old], action: mount, after: removal };
      const { census, steps } = await live(way, null);
      expect(census.objects).toEqual([]);
      for (const death of deathsOf(steps.length)) {
        const ended = await live(way, death, false);
        expect(ended.census, `${JSON.stringify(death)}: ${steps[death.at - 1]}`).toEqual(census);
      }
    },
    TIMEOUT_MS,
  );
});

describe("an index", () => {
  it("completes a push whose client died once all was sent", async () => {
    const way = { before: [archive], action: oldManifest };
    const { census, steps } = await live(way, null);
    const completion = steps.findIndex((step) => step.includes("INTO trees"));
    for (const victim of ["all", "worker"] as const) {
      // The last blob is stored, and what comes next is not asked for.
      const at = victim === "all" ? completion + 1 : completion;
      const ended = await live(way, { at, victim, again: null }, false);
      expect(ended.census, victim).toEqual(census);
    }
  });

  it("has no archive stored again that it has read", async () => {
    const codebase = await MortalCodebase.create(clock);
    const repeated: Action = (life) => archive({ ...life, seed: codebase.id });
    await codebase.perform(repeated, null);
    const census = await codebase.census();
    await codebase.perform(repeated, null);
    expect(codebase.fate.steps).not.toContain("worker put");
    expect(await codebase.census()).toEqual(census);
    codebase.fate.end();
  });

  it.each(["sendBatch", "put", "delete"])(
    "does what it has to, however often %s has failed",
    async (name) => {
      const { census } = await live({ before: [], action: old }, null);
      const codebase = await MortalCodebase.create(clock);
      codebase.fate.refusal = { name, times: 10 };
      await codebase.perform(old, null);
      expect(codebase.fate.refusal.times).toBe(0);
      expect(await codebase.census()).toEqual(census);
      codebase.fate.end();
    },
  );
});
