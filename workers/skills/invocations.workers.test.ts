/** Skills that are invoked: inputs and outputs held to their schemas, what code may, and their history. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { sweepSkills } from "../skills.ts";
import { isolate } from "../test/app.ts";
import { invocationListSchema, invocationSchema } from "./invocation-schemas.ts";
import { createSkill, issuesOf, patchSkill, readSkill, SKILLS, unique } from "./test-support.ts";

const { call } = isolate();

const ts = (script: string) => ({ implementation: { type: "typescript", script }, inputs: null });

async function invoke(skill: string, inputs: unknown = {}, more: Record<string, unknown> = {}) {
  const reply = await call(`${SKILLS}/${skill}/invoke`, { body: { inputs, ...more } });
  expect([200, 202], reply.text).toContain(reply.status);
  return invocationSchema.parse(reply.body);
}

const read = async (id: string) =>
  invocationSchema.parse((await call(`/api/v1/invocations/${id}`)).body);

describe("an invocation", () => {
  it("runs the default version by slug, and is told with its outputs", async () => {
    const skill = await createSkill(call);
    const done = await invoke(skill.slug, { text: "a b c" });
    expect(done).toMatchObject({
      skill_id: skill.id,
      version: "1.0.0",
      digest: skill.digest,
      state: "completed",
      success: true,
      inputs: { text: "a b c" },
      outputs: { words: 3 },
      invoked_by: "dev_key:dev",
      parent: null,
      error: null,
    });
    expect(done.duration_ms).toBeGreaterThanOrEqual(0);
    expect(await read(done.id)).toMatchObject({ outputs: { words: 3 } });
  });

  it("is refused with the paths of what its inputs lack, and nothing is begun", async () => {
    const skill = await createSkill(call);
    const reply = await call(`${SKILLS}/${skill.id}/invoke`, { body: { inputs: { text: 1 } } });
    expect(reply.status).toBe(422);
    expect(Object.keys(issuesOf(reply.body))).toEqual(["inputs.text"]);
    const list = await call(`${SKILLS}/${skill.id}/invocations`);
    expect(invocationListSchema.parse(list.body).items).toEqual([]);
  });

  it("fails on outputs that are not as declared, and says where", async () => {
    const outputs = { type: "object", properties: { words: { type: "string" } } };
    const skill = await createSkill(call, { outputs });
    const failed = await invoke(skill.slug, { text: "a" });
    expect(failed).toMatchObject({ state: "failed", success: false, error_code: "output_invalid" });
    expect(failed.error).toContain("result.words");
  });

  it("runs the version that is named, whatever the default is", async () => {
    const skill = await createSkill(call, ts("export default () => 1"));
    await patchSkill(call, skill.id, ts("export default () => 2"));
    expect((await invoke(skill.slug)).outputs).toBe(2);
    expect((await invoke(skill.slug, {}, { version: "1" })).outputs).toBe(1);
    expect((await invoke(skill.slug, {}, { version: "1.0.0" })).outputs).toBe(1);
    expect((await invoke(skill.slug, {}, { version: skill.digest })).outputs).toBe(1);
    const reply = await call(`${SKILLS}/${skill.slug}/invoke`, { body: { version: "9" } });
    expect(reply.status).toBe(404);
  });

  it("of a disabled skill, and of instructions alone, is refused with what to do", async () => {
    const skill = await createSkill(call, { enabled: false });
    const refused = await call(`${SKILLS}/${skill.slug}/invoke`, { body: {} });
    expect([refused.status, refused.body.code]).toEqual([409, "illegal_transition"]);
    const text = await createSkill(call, { implementation: null, instructions: "# Do" });
    const reply = await call(`${SKILLS}/${text.slug}/invoke`, { body: {} });
    expect([reply.status, reply.body.state]).toEqual([409, "instructions"]);
  });

  it("is begun once for one Idempotency-Key", async () => {
    const skill = await createSkill(call);
    const init = {
      body: { inputs: { text: "a" } },
      headers: { "idempotency-key": unique("key") },
    };
    const [first, second] = await Promise.all([
      call(`${SKILLS}/${skill.id}/invoke`, init),
      call(`${SKILLS}/${skill.id}/invoke`, init),
    ]);
    const again = await call(`${SKILLS}/${skill.id}/invoke`, init);
    const ids = [first, second, again].flatMap(({ status, body }) =>
      status === 200 ? [body.id] : [],
    );
    expect(new Set(ids).size).toBe(1);
  });

  it("logs, tells its events, and can be run again when it failed", async () => {
    const skill = await createSkill(
      call,
      ts(
        "export default (_, ctx) => { console.log('try', ctx.run); if (ctx.run < 2) throw new Error('no'); return 'ok' }",
      ),
    );
    const failed = await invoke(skill.slug);
    expect(failed).toMatchObject({ state: "failed", error_code: "script_threw" });
    const log = await call(`/api/v1/invocations/${failed.id}/logs?stream=stdout`);
    expect(log.text).toBe("try 1\n");
    const events = await call(`/api/v1/invocations/${failed.id}/events`);
    expect(events.text).toContain("event: run.failed");
    const retried = await call(`/api/v1/invocations/${failed.id}/retry`, { method: "POST" });
    const done = await call(`/api/v1/invocations/${failed.id}/retry`, { method: "POST" });
    expect(done.body).toMatchObject({ code: "illegal_transition", allowed: [] });
    expect(retried.body).toMatchObject({
      id: failed.id,
      run: 2,
      state: "completed",
      outputs: "ok",
    });
  });

  it("ends when it is cancelled", async () => {
    const skill = await createSkill(
      call,
      ts("export default () => new Promise((r) => setTimeout(r, 60_000))"),
    );
    const started = await call(`${SKILLS}/${skill.slug}/invoke`, {
      body: {},
      headers: { prefer: "respond-async" },
    });
    expect(started.status).toBe(202);
    const path = started.headers.get("location") ?? "";
    expect(path).toBe(`/api/v1/invocations/${started.body.id}`);
    const cancelled = await call(`${path}/cancel`, { method: "POST" });
    expect(cancelled.body).toMatchObject({ state: "cancelled", success: false });
  });

  it("waits for an approval when its skill requires one", async () => {
    const skill = await createSkill(call, { requires_approval: true });
    const init = { body: { inputs: { text: "a b" } }, headers: { prefer: "wait=1" } };
    const asked = await call(`${SKILLS}/${skill.slug}/invoke`, init);
    expect(asked.status, asked.text).toBe(202);
    expect(asked.body).toMatchObject({ waiting_for: "approval", outputs: null });
    const path = `/api/v1/invocations/${asked.body.id}`;
    expect((await call(`${path}/approve`, { body: {} })).status).toBeLessThan(300);
    await expect.poll(() => call(path).then(({ body }) => body.outputs)).toEqual({ words: 2 });
    const other = await call(`${SKILLS}/${skill.slug}/invoke`, init);
    await call(`/api/v1/invocations/${other.body.id}/approve`, {
      body: { approved: false, comment: "no" },
    });
    await expect
      .poll(() => read(String(other.body.id)))
      .toMatchObject({ state: "failed", success: false });
  });

  it("reuses the outputs of equal inputs while they are fresh", async () => {
    const skill = await createSkill(call, {
      ...ts("export default ({ n }) => ({ n, at: crypto.randomUUID() })"),
      cache: { ttl_seconds: 60 },
    });
    const first = await invoke(skill.slug, { n: 1 });
    expect((await invoke(skill.slug, { n: 1 })).outputs).toEqual(first.outputs);
    expect((await invoke(skill.slug, { n: 2 })).outputs).not.toEqual(first.outputs);
  });
});

describe("the figures of a skill", () => {
  it("are exact after 64 invocations at once", async () => {
    const skill = await createSkill(call, {
      ...ts("export default ({ n }) => { if (n % 4 === 0) throw new Error('n'); return n }"),
    });
    await Promise.all(Array.from({ length: 64 }, (_, n) => invoke(skill.slug, { n })));
    await expect
      .poll(async () => {
        const { invocation_count, success_count, failure_count } = await readSkill(call, skill.id);
        return { invocation_count, success_count, failure_count };
      })
      .toEqual({ invocation_count: 64, success_count: 48, failure_count: 16 });
    const { success_rate, avg_duration_ms } = await readSkill(call, skill.id);
    expect(success_rate).toBe(0.75);
    const { results } = await env.DB.prepare(
      "SELECT avg(duration_ms) AS mean FROM skill_invocations WHERE skill_id = ?",
    )
      .bind(skill.id)
      .all<{ mean: number }>();
    expect(avg_duration_ms).toBeCloseTo(results[0]?.mean ?? Number.NaN, 6);
  });
});

describe("the history of a skill", () => {
  it("shows who, with what, and how it went, newest first", async () => {
    const skill = await createSkill(call);
    const first = await invoke(skill.slug, { text: "a" });
    const second = await invoke(skill.slug, { text: "b" });
    const list = () =>
      call(`${SKILLS}/${skill.slug}/invocations?state=completed`).then(({ body }) =>
        invocationListSchema.parse(body).items.map(({ id }) => id),
      );
    await expect.poll(list).toEqual([second.id, first.id]);
  });

  it("goes with the skill", async () => {
    const skill = await createSkill(call);
    const done = await invoke(skill.slug, { text: "a" });
    expect((await call(`${SKILLS}/${skill.id}`, { method: "DELETE" })).status).toBe(204);
    // Told of after its skill was gone, it is the sweeper's.
    await expect
      .poll(async () => {
        await sweepSkills(env, Date.now());
        return (await call(`/api/v1/invocations/${done.id}`)).status;
      })
      .toBe(404);
  });
});

describe("the examples of a skill", () => {
  it("are run, and told as passing or failing with the place", async () => {
    const skill = await createSkill(call, {
      examples: [
        { name: "two", inputs: { text: "a b" }, outputs: { words: 2 } },
        { name: "wrong", inputs: { text: "a b" }, outputs: { words: 3 } },
        { inputs: { text: "a" } },
      ],
    });
    const reply = await call(`${SKILLS}/${skill.slug}/test`, { body: {} });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({
      passed: false,
      items: [
        { name: "two", verdict: "passed", outputs: { words: 2 } },
        {
          name: "wrong",
          verdict: "failed",
          reason: "outputs.words: expected 3, not 2.",
          expected: { words: 3 },
        },
        { name: "example 3", verdict: "passed" },
      ],
    });
  });
});
