/** Steps that invoke skills: pinned when a run begins, permitted by who wrote them, ended with the run. */
import { describe, expect, it } from "vitest";
import { invocationListSchema } from "../skills/invocation-schemas.ts";
import { createSkill, patchSkill, unique } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";

const { call } = isolate();
const PIPELINES = "/api/v1/pipelines";

const script = (text: string) => ({ implementation: { type: "typescript", script: text } });

async function skill(text: string, more: Record<string, unknown> = {}) {
  return createSkill(call, { inputs: null, ...more, ...script(text) });
}

const pipeline = (tasks: readonly unknown[], more: Record<string, unknown> = {}) =>
  call(PIPELINES, { body: { name: unique("with skills"), tasks, ...more } });

async function run(tasks: readonly unknown[], more: Record<string, unknown> = {}) {
  const created = await pipeline(tasks, more);
  expect(created.status, created.text).toBe(201);
  const id = String(created.body.id);
  const done = await call(`${PIPELINES}/${id}/execute`, { method: "POST" });
  return { id, ...done };
}

describe("a step that invokes a skill", () => {
  it("has the skill's outputs as its result", async () => {
    const { slug } = await skill("export default ({ n }) => ({ square: n * n })");
    const { body, id } = await run(
      [
        { name: "list", script: "export default () => 7" },
        { name: "square", needs: ["list"], skill: slug, inputs: { n: "${{ tasks.list.result }}" } },
      ],
      { outputs: { squared: "${{ tasks.square.result.square }}" } },
    );
    expect(body, JSON.stringify(body)).toMatchObject({
      state: "completed",
      outputs: { squared: 49 },
    });
    await expect
      .poll(async () => {
        const { body } = await call(`/api/v1/invocations?parent_id=${id}`);
        return invocationListSchema.parse(body).items;
      })
      .toMatchObject([{ slug, state: "completed", parent: { kind: "pipeline", id, run: 1 } }]);
  });

  it("is made once for each item of a matrix", async () => {
    const { slug } = await skill("export default ({ n }) => n + 1");
    const { body } = await run(
      [
        {
          name: "all",
          skill: slug,
          strategy: { matrix: { n: [1, 2, 3] } },
          inputs: { n: "${{ matrix.n }}" },
        },
      ],
      { outputs: { results: "${{ tasks.all.results.*.result }}" } },
    );
    expect(body).toMatchObject({ state: "completed", outputs: { results: [2, 3, 4] } });
  });

  it("fails with the paths of inputs that the skill does not take", async () => {
    const { slug } = await skill("export default () => 1", {
      inputs: { type: "object", properties: { n: { type: "number" } } },
    });
    const { body } = await run([{ name: "one", skill: slug, inputs: { n: "text" } }]);
    expect(body.state).toBe("failed");
    expect(JSON.stringify(body)).toContain("inputs.n");
  });

  it("is refused for a skill that is not there, with its place", async () => {
    const reply = await pipeline([{ name: "one", skill: "no-such-skill" }]);
    expect(reply.status).toBe(422);
    expect(reply.body.errors).toMatchObject([{ path: "tasks[0].skill" }]);
  });

  it("needs the scopes of the skill from who writes it", async () => {
    const { slug } = await skill("export default () => 1", {
      permissions: { network: ["example.com"] },
    });
    const minted = await call("/api/v1/keys", {
      body: {
        name: "writer",
        scopes: ["pipelines:write", "skills:execute"],
        projects: ["default"],
      },
    });
    const reply = await call(PIPELINES, {
      key: String(minted.body.key),
      body: { name: "narrow", tasks: [{ name: "one", skill: slug }] },
    });
    expect(reply.status).toBe(422);
    expect(reply.text).toContain("skills:network");
  });

  it("keeps to the version that its run began with", async () => {
    const made = await skill("export default () => 'one'");
    const created = await pipeline(
      [
        { name: "gate", approval: true },
        { name: "say", needs: ["gate"], skill: made.slug },
      ],
      { outputs: { said: "${{ tasks.say.result }}" } },
    );
    const path = `${PIPELINES}/${created.body.id}`;
    await call(`${path}/start`, { method: "POST" });
    await patchSkill(call, made.id, script("export default () => 'two'"));
    await call(`${path}/approve`, { body: {} });
    await expect.poll(() => call(path).then(({ body }) => body.outputs)).toEqual({ said: "one" });
    const again = await call(`${path}/start`, { method: "POST" });
    expect(again.status).toBe(202);
    await call(`${path}/approve`, { body: {} });
    await expect.poll(() => call(path).then(({ body }) => body.outputs)).toEqual({ said: "two" });
  });

  it("ends when its run is cancelled", async () => {
    const { slug } = await skill("export default () => new Promise((r) => setTimeout(r, 60_000))");
    const created = await pipeline([{ name: "sleep", skill: slug }]);
    const id = String(created.body.id);
    await call(`${PIPELINES}/${id}/start`, { method: "POST" });
    const states = async () =>
      invocationListSchema
        .parse((await call(`/api/v1/invocations?parent_id=${id}`)).body)
        .items.map(({ state }) => state);
    await expect.poll(states).toEqual(["running"]);
    const cancelled = await call(`${PIPELINES}/${id}/cancel`, { method: "POST" });
    expect(cancelled.status, cancelled.text).toBeLessThan(300);
    await expect.poll(states).toEqual(["cancelled"]);
  });
});
