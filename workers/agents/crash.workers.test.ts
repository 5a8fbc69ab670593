/** What a crash of a session's object leaves of the work that its tools began. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createSkill } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { messageListSchema } from "./message-schemas.ts";
import { AGENTS, createAgent, readAgent } from "./test-support.ts";

const { call } = isolate();
const listed = z.object({ items: z.array(z.looseObject({ state: z.string() })) });
const WAITS = "await new Promise((done) => setTimeout(done, 1_500));";

async function crash(id: string): Promise<void> {
  const stub = env.AGENT_SESSION.getByName(id);
  await runInDurableObject(stub, (_, state) => state.abort("crash")).catch(() => undefined);
}

/** Sends what runs something, crashes the object while that runs, and returns the last thing said. */
async function crashWhile(id: string, content: string, states: () => Promise<string[]>) {
  const headers = { prefer: "respond-async" };
  await call(`${AGENTS}/${id}/message`, { body: { content }, headers });
  await expect.poll(states).toEqual(["running"]);
  await crash(id);
  await expect.poll(async () => (await readAgent(call, id)).stop_reason).toBe("end_turn");
  const { body } = await call(`${AGENTS}/${id}/messages`);
  return JSON.stringify(messageListSchema.parse(body).items.at(-1)?.content);
}

const statesAt = (path: string) => async () =>
  listed.parse((await call(path)).body).items.map(({ state }) => state);

describe("a crash while a tool runs", () => {
  it("finds the task again, and answers with what it came to", async () => {
    const { id } = await createAgent(call);
    const script = `export default async () => { ${WAITS} return "from the task"; }`;
    const states = statesAt(`/api/v1/tasks?agent_id=${id}`);
    const said = await crashWhile(id, `/run ${JSON.stringify({ script })}`, states);
    expect(said).toContain("from the task");
    await expect.poll(states).toEqual(["completed"]);
  });

  it("finds the invocation of a skill again", async () => {
    const script = `export default async () => { ${WAITS} return { said: "from the skill" }; }`;
    const implementation = { type: "typescript", script };
    const { slug } = await createSkill(call, { implementation, inputs: null });
    const { id } = await createAgent(call);
    const states = statesAt(`/api/v1/invocations?parent_id=${id}`);
    expect(await crashWhile(id, `/invoke ${slug}`, states)).toContain("from the skill");
    await expect.poll(states).toEqual(["completed"]);
  });
});
