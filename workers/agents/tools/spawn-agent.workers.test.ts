/** Sub-agents as a session makes them: real sessions, services and tasks, with the operator as model. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createSkill } from "../../skills/test-support.ts";
import { isolate } from "../../test/app.ts";
import { SPAWN_AGENT } from "../spawn.ts";
import { AGENTS, type Agent, createAgent, readAgent, say } from "../test-support.ts";
import { TestSession } from "./test-support.ts";

const { call } = isolate();

const spawned = z.object({ agent_id: z.string() });
const FENCE = /```json\n([\s\S]*)\n```/;

/** What the operator shows of a call: its output, as JSON. */
async function spawn(parent: string, order: Record<string, unknown>) {
  const { reply } = await say(call, parent, `/spawn ${JSON.stringify(order)}`);
  const [, json = "null"] = FENCE.exec(reply?.text ?? "") ?? [];
  return { text: reply?.text ?? "", output: JSON.parse(json) };
}

const listOf = ({ body }: { readonly body: unknown }) =>
  z.object({ items: z.array(spawnedRow) }).parse(body).items;
const spawnedRow = z.object({ id: z.string() });

/** What a session has said last. */
async function lastOf(id: string): Promise<{ readonly text: string }> {
  const { body } = await call(`${AGENTS}/${id}/messages`);
  const texts = z.object({ items: z.array(z.object({ content: z.array(z.unknown()) })) });
  return z.object({ text: z.string() }).parse(texts.parse(body).items.at(-1)?.content[0]);
}

describe("a sub-agent", () => {
  it("does what it is told, says so, and is final", async () => {
    const parent = await createAgent(call);
    const { output } = await spawn(parent.id, { prompt: "/run echo from below", name: "helper" });
    expect(output).toMatchObject({
      text: expect.stringContaining("from below"),
      stop_reason: "end_turn",
      usage: { steps: 2 },
    });
    const child = await readAgent(call, spawned.parse(output).agent_id);
    expect(child).toMatchObject({
      name: "helper",
      state: "terminated",
      parent_id: parent.id,
      parent: { id: parent.id, depth: 0 },
      model: "operator",
    });
    const { body } = await call(`${AGENTS}/${child.id}/messages`);
    expect(z.object({ items: z.array(z.unknown()) }).parse(body).items.length).toBeGreaterThan(2);
    await expect
      .poll(async () => (await call(`${AGENTS}?parent_id=${parent.id}`)).body)
      .toMatchObject({ items: [{ id: child.id, state: "terminated" }] });
  });

  it("reads and writes the files that those above it do", async () => {
    const root = await new TestSession().prepare();
    await root.call("write_file", { path: "plan.txt", content: "one\n" });
    const above = ["01a21e3c-7d03-734f-b86d-a1a9cca9b3d5", root.id];
    const below = await new TestSession({ above }).prepare();
    expect(await below.call("read_file", { path: "plan.txt" })).toMatchObject({
      output: expect.stringContaining("one"),
    });
    await below.call("write_file", { path: "plan.txt", content: "two\n" });
    const command = "cat changes/plan.txt";
    expect(await root.call("run_task", { command })).toMatchObject({ output: { stdout: "two\n" } });
  });

  it("is offered to agents that are not too deep, and whose sender may make agents", async () => {
    const above = ["a", "b", "c"];
    expect((await new TestSession({ above: above.slice(1) }).prepare()).names).toContain(
      SPAWN_AGENT,
    );
    expect((await new TestSession({ above }).prepare()).names).not.toContain(SPAWN_AGENT);
    await expect(new TestSession({ above, tools: [SPAWN_AGENT] }).prepare()).rejects.toMatchObject({
      issues: [{ path: "tools[0]", message: expect.stringContaining("Leave it out.") }],
    });
    const grants = ["agents:write"] as const;
    expect((await new TestSession({ grants }).prepare()).names).not.toContain(SPAWN_AGENT);
  });

  it("has its parent's skills as they are pinned, and its policies", async () => {
    const { slug } = await createSkill(call);
    const tool_policies = { list_skills: "deny" };
    const parent = await createAgent(call, { skills: [slug], tool_policies });
    await say(call, parent.id, "/run true");
    const { output } = await spawn(parent.id, { prompt: `/invoke ${slug} {"text": "a b"}` });
    expect(output).toMatchObject({ stop_reason: "end_turn" });
    const child = await readAgent(call, spawned.parse(output).agent_id);
    expect(child).toMatchObject({ tool_policies, skills: [`${slug}@1.0.0`] });
    expect((await spawn(parent.id, { prompt: "/skills" })).text).toContain("denied");
  });

  it("can be given less than its parent has, and nothing more", async () => {
    const { slug } = await createSkill(call);
    const parent = await createAgent(call, {
      tools: ["spawn_agent", "run_task", "read_file"],
      skills: [slug],
      max_iterations: 5,
    });
    const { output } = await spawn(parent.id, { prompt: "/help", tools: ["run_task"], skills: [] });
    expect(await readAgent(call, spawned.parse(output).agent_id)).toMatchObject({
      tools: ["run_task"],
      skills: [],
      max_iterations: 5,
    });
    const order = { prompt: "/help", tools: ["run_task", "write_file"], skills: ["other"] };
    const { text } = await spawn(parent.id, { ...order, max_iterations: 6 });
    expect(text).toContain(
      'tools[1]: You have no tool "write_file" to hand on. You have: run_task',
    );
    expect(text).toContain(`skills[0]: You have no skill "other" to hand on. You have: ${slug}.`);
    expect(text).toContain("max_iterations: Your own are 5; give it no more.");
  });

  it("has sub-agents of its own, three levels deep at most", async () => {
    const parent = await createAgent(call);
    const deep = (levels: number): string =>
      levels === 0 ? "/help" : `/spawn ${JSON.stringify({ prompt: deep(levels - 1) })}`;
    await say(call, parent.id, deep(3));
    const levels: (Agent["parent"] | undefined)[] = [];
    for (let id = parent.id, level = 0; level < 3; level += 1) {
      const listed = await expect
        .poll(async () => listOf(await call(`${AGENTS}?parent_id=${id}`)))
        .toHaveLength(1)
        .then(async () => listOf(await call(`${AGENTS}?parent_id=${id}`)));
      id = listed[0]?.id ?? "";
      levels.push((await readAgent(call, id)).parent);
      if (level === 2) {
        const { text } = await lastOf(id);
        expect(text).toContain('(needs the tool "spawn_agent", which is not offered)');
      }
    }
    expect(levels.map((each) => each?.depth)).toEqual([0, 1, 2]);
  });

  it("hands in a result of the shape that is asked for", async () => {
    const parent = await createAgent(call);
    const outputs = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const handed = await spawn(parent.id, { prompt: '/submit {"n": 3}', outputs });
    expect(handed.output).toMatchObject({ stop_reason: "end_turn", result: { n: 3 } });
    const missing = await spawn(parent.id, { prompt: "/help", outputs });
    expect(missing.text).toContain("It ended without handing in its result.");
    expect(
      (await spawn(parent.id, { prompt: "/help", outputs: { type: "nothing" } })).text,
    ).toContain("outputs");
  });

  it("that cannot be initialized is an error which says why", async () => {
    const parent = await createAgent(call);
    const { text } = await spawn(parent.id, { prompt: "/help", model: "anthropic/claude-x" });
    expect(text).toContain("ANTHROPIC_API_KEY");
  });
});
