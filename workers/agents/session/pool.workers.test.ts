/** A budget that sub-agents share, in real objects, on the fake of a priced model. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { newSeed } from "../../http/seed.ts";
import { resourceId } from "../../runs/address.ts";
import { principalOf } from "../../security/principal.ts";
import { Random } from "../../test/random.ts";
import { createSessionClient } from "../client.ts";
import type { SessionState } from "../machine/types.ts";
import { ANTHROPIC, script } from "../models/test-support.ts";
import { AgentService } from "../service.ts";
import { MAX_DEPTH, spawnSchema } from "../spawn.ts";
import type { SessionSetup } from "../tools/setup.ts";
import { spawn } from "../tools/spawn-agent.ts";
import { NANOS } from "./ledger-table.ts";
import {
  accepted,
  CALLER,
  calling,
  crash,
  dieAfter,
  follow,
  isToDie,
  objectOf,
  PROJECT,
  ready,
  resetTools,
  scriptTool,
  sessionOf,
  stubOf,
  type TestSession,
  words,
} from "./test-support.ts";

const WAIT = { timeout: 60_000, interval: 10 };

const agents = new AgentService({
  database: env.DB,
  sessions: createSessionClient({
    session: objectOf,
    events: follow,
    bundle: (id, request) => stubOf(id).fetch(request),
  }),
  limits: { max_iterations: 50, timeout_seconds: 60 },
  eraseWorkspace: async () => undefined,
  openArtifact: async () => expect.fail("no message has a file"),
  whyRefused: () => null,
  traces_with_content: false,
});

/** The tool as it is, with something before it, in sessions whose other tools are scripted. */
function spawnsForReal(before: () => Promise<unknown> = async () => undefined) {
  scriptTool("spawn_agent", async (input, signal, { context, call }) => {
    await before();
    if (context.above.length >= MAX_DEPTH) return { output: "Too deep.", is_error: true };
    const setup: SessionSetup = {
      ...{ format: 1, skills: [], tools: [], codebase: null, mcp_servers: [], outputs: null },
    };
    const principal = principalOf(CALLER, PROJECT);
    const session = { ...context, principal, setup, usable: [], call, signal };
    return spawn(session, agents, spawnSchema.parse(input));
  });
}

beforeEach(() => {
  resetTools();
  spawnsForReal();
});

const spawning = (...prompts: string[]) =>
  calling(...prompts.map((prompt) => ["spawn_agent", { prompt }] as const));
const costly = (reply: object, output_tokens: number) => ({ ...reply, usage: { output_tokens } });

/** The model's steps are priced: 400 tokens are at most 0.004 USD, and what is read some more. */
const priced = (usd: number | null = null) =>
  ready({ model: ANTHROPIC, max_tokens: 400, budget: { usd } });

const limits = (usd: number) => ({
  type: "budget" as const,
  budget: { usd, tokens: null, steps: null, seconds: null, sandbox_seconds: null },
});

const stateOf = (id: string): Promise<SessionState> =>
  runInDurableObject(stubOf(id), (_, { storage }) => {
    const sql = "SELECT text FROM documents WHERE name = 'state'";
    return JSON.parse(storage.sql.exec<{ text: string }>(sql).one().text);
  });

const alarmOf = (id: string) =>
  runInDurableObject(stubOf(id), (_, { storage }) => storage.getAlarm());

const expectAsleep = (...ids: readonly string[]) =>
  vi.waitFor(async () => {
    for (const id of ids) expect(await alarmOf(id)).toBeNull();
  }, WAIT);

async function treeOf(id: string): Promise<string[]> {
  const answer = await objectOf(id).children();
  const children = "refused" in answer ? [] : answer;
  return [id, ...(await Promise.all(children.map(treeOf))).flat()];
}

async function childOf({ id }: TestSession): Promise<TestSession> {
  const [child = ""] = await vi.waitFor(async () => {
    const children = accepted(await objectOf(id).children());
    expect(children).toHaveLength(1);
    return children;
  }, WAIT);
  await vi.waitFor(async () => accepted(await objectOf(child).read()), WAIT);
  return sessionOf(child);
}

const nanosOf = (rows: readonly { readonly usd: number | null }[]) =>
  rows.reduce((sum, { usd }) => sum + Math.round((usd ?? 0) * NANOS), 0);

/** Nothing is held, and everybody's books are those of all below together. */
async function expectBalanced(root: string): Promise<void> {
  let own = 0;
  for (const id of await treeOf(root)) {
    const answer = await objectOf(id).ledger(0, 10_000);
    if ("refused" in answer) continue;
    const { spent, pool, holds } = (await stateOf(id)).budget;
    expect({ pool, holds }).toEqual({ pool: [], holds: [] });
    expect(nanosOf(answer)).toBe(spent.usd_nanos);
    if (id !== root) expect(await objectOf(id).read()).toMatchObject({ state: "terminated" });
    own += nanosOf(answer.filter(({ agent_id }) => agent_id === null));
  }
  const { spent } = (await stateOf(root)).budget;
  expect(own).toBe(spent.usd_nanos);
}

describe("what a sub-agent uses", () => {
  it("counts as its parent's, step by step", async () => {
    await script(
      costly(spawning("Help."), 100),
      costly(words("Below."), 200),
      costly(words("Done."), 50),
    );
    const parent = await priced();
    const sent = await parent.send("Go.");
    expect(sent.reply).toMatchObject({ text: "Done.", stop_reason: "end_turn" });
    const { usage } = await parent.read();
    expect(usage).toMatchObject({ output_tokens: 350, pooled: { output_tokens: 200 } });
    const child = await childOf(parent);
    const rows = accepted(await objectOf(parent.id).ledger(0, 10));
    expect(rows).toMatchObject([
      { agent_id: null, turn: 1, step: 1 },
      { agent_id: child.id, turn: 1, step: 1, model: ANTHROPIC, output_tokens: 200 },
      { agent_id: null, turn: 1, step: 2 },
    ]);
    await expectBalanced(parent.id);
    const response = await stubOf(parent.id).fetch("https://session/bundle");
    const bundle = await response.text();
    expect(bundle).toContain(child.id);
    const id = resourceId(newSeed(), "other");
    const target = JSON.stringify({ id, project_id: "other", caller: CALLER });
    const body = `${target}\n${bundle}`;
    await stubOf(id).fetch("https://session/bundle", { method: "POST", body });
    expect(accepted(await objectOf(id).read()).usage).toEqual(usage);
    expect(accepted(await objectOf(id).ledger(0, 10))).toEqual(rows);
    expect(await child.read()).toMatchObject({ state: "terminated", stop_reason: "end_turn" });
  });

  it("is bounded by the parent's budget, and waits for it with nothing armed", async () => {
    await script(
      costly(spawning("Help."), 400),
      costly(words("Below."), 200),
      costly(words("Done."), 50),
    );
    const parent = await priced();
    spawnsForReal(() => parent.command(limits(0.005)));
    await parent.send("Go.");
    await parent.until({ state: "waiting", waiting_for: "agent" });
    const child = await childOf(parent);
    await child.until({ state: "waiting", waiting_for: "budget", blocked_by: ["pool"] });
    const reached = accepted(await objectOf(parent.id).events(0, 100)).find(
      ({ type }) => type === "budget.reached",
    );
    const data = { limits: ["usd_nanos"], agent_id: child.id };
    expect(JSON.parse(reached?.data ?? "null")).toEqual(data);
    await expectAsleep(parent.id, child.id);
    await parent.command(limits(0.05));
    await parent.until({ turns: 1, waiting_for: "message", stop_reason: "end_turn" });
    await expectBalanced(parent.id);
    await expectAsleep(parent.id, child.id);
  });

  it("has its own limit beside", async () => {
    const order = { prompt: "Help.", budget: { usd: 0.000_1 } };
    await script(costly(calling(["spawn_agent", order]), 10), costly(words("Done."), 50));
    const parent = await priced(1);
    await parent.send("Go.");
    const child = await childOf(parent);
    await child.until({ waiting_for: "budget", blocked_by: ["usd_nanos"] });
    await child.command({ type: "terminate" });
    await parent.until({ turns: 1, waiting_for: "message", stop_reason: "end_turn" });
    const messages = accepted(await objectOf(parent.id).messages(0, 10));
    expect(messages).toMatchObject([
      {},
      {},
      { role: "tool", content: [{ is_error: true, output: { stop_reason: "terminated" } }] },
      {},
    ]);
  });
});

describe("a sub-agent", () => {
  it("that waits for an approval lets its parent sleep, whose time stands still", async () => {
    await script(spawning("Help."), calling(["act", { n: 1 }]), words("Below."), words("Done."));
    const parent = await ready({ tool_policies: { act: "ask" } });
    await parent.send("Go.");
    const child = await childOf(parent);
    await child.until({ state: "waiting", waiting_for: "approval" });
    const asleep = await parent.until({ state: "waiting", waiting_for: "agent" });
    await expectAsleep(parent.id, child.id);
    await crash(parent.id);
    const { usage } = await parent.until({ waiting_for: "agent" });
    expect(usage.active_seconds).toBe(asleep.usage.active_seconds);
    const [waiting] = accepted(await objectOf(child.id).approvals());
    const decision = { approved: true, input: undefined, reason: null };
    await child.command({ type: "decide", call: waiting?.call ?? "", ...decision });
    await parent.until({ turns: 1, waiting_for: "message", stop_reason: "end_turn" });
  });

  it("is terminated when its call is stopped, with all below it", async () => {
    await script(
      spawning("Help."),
      spawning("More help."),
      { ...words("Never", "said"), fault: { kind: "hold", after_events: 3 } },
      words("Again."),
    );
    const parent = await ready();
    await parent.send("Go.", { wait_ms: 0 });
    const child = await childOf(parent);
    const grandchild = await childOf(child);
    await grandchild.until({ state: "running", iteration_count: 1 });
    await parent.command({ type: "cancel_turn", turn: null });
    await child.until({ state: "terminated" });
    await grandchild.until({ state: "terminated" });
    await parent.until({ waiting_for: "message", stop_reason: "cancelled" });
    expect(await parent.send("Again.")).toMatchObject({ reply: { text: "Again." } });
    await expectBalanced(parent.id);
    await expectAsleep(parent.id, child.id, grandchild.id);
  });

  it("goes when its parent is deleted", async () => {
    await script(spawning("Help."), spawning("More help."), words("1"), words("2"), words("3"));
    const parent = await ready();
    await parent.send("Go.");
    const ids = await treeOf(parent.id);
    expect(ids).toHaveLength(3);
    await agents.remove(principalOf({ ...CALLER, grants: [] }, PROJECT), parent.id);
    for (const id of ids) expect(await objectOf(id).read()).toEqual({ refused: "not_found" });
  });
});

describe("trees of sub-agents", () => {
  const TREES = 3;
  /** There is room for the first step of the root, and for none of a sub-agent beside what it spent. */
  const STEP_USD = 0.009;
  const DEATHS = 8;

  it("come to rest through deaths and reached budgets, and never spend more than there is", async () => {
    const random = new Random(11);
    const spawns = () => spawning(...Array.from({ length: 1 + random.below(2) }, () => "More."));
    const reply = () =>
      costly(random.next() < 0.3 ? spawns() : words("Do", "ne."), 20 + random.below(380));
    const tally = { died: 0, raised: 0, agents: 0, overspent: 0 };
    for (let tree = 0; tree < TREES; tree += 1) {
      await script(costly(spawns(), 100), ...Array.from({ length: 300 }, reply));
      const root = await priced(STEP_USD);
      let usd = STEP_USD;
      let deaths = 0;
      await root.send("Go.", { wait_ms: 0 });
      await vi.waitFor(
        async () => {
          if (deaths < DEATHS && !isToDie()) {
            deaths += 1;
            dieAfter(1 + random.below(40));
          }
          const { budget } = await stateOf(root.id);
          const held = [...budget.holds, ...budget.pool].reduce(
            (sum, each) => sum + each.usd_nanos,
            0,
          );
          if (held + budget.spent.usd_nanos > Math.round(usd * NANOS)) tally.overspent += 1;
          // Who reads a session that died wakes it.
          const all = await Promise.all((await treeOf(root.id)).map((id) => objectOf(id).read()));
          const snapshot = accepted(await objectOf(root.id).read());
          const isBlocked = all.some((each) => "blocked_by" in each && each.blocked_by.length > 0);
          if (isBlocked && snapshot.state === "waiting") {
            usd += STEP_USD;
            tally.raised += 1;
            await root.command(limits(usd));
          }
          expect(snapshot).toMatchObject({ turns: 1, waiting_for: "message" });
        },
        { timeout: 60_000, interval: 10 },
      );
      tally.died += dieAfter(null) ? deaths - 1 : deaths;
      await vi.waitFor(() => expectBalanced(root.id), WAIT);
      const ids = await treeOf(root.id);
      tally.agents += ids.length;
      await expectAsleep(...ids);
    }
    expect(tally.overspent).toBe(0);
    expect(tally.died).toBeGreaterThanOrEqual(TREES);
    expect(tally.raised).toBeGreaterThanOrEqual(TREES);
  }, 120_000);
});
