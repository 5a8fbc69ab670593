/** Each kind of implementation, what it may reach, and what never shows. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { objectOf } from "../runs/address.ts";
import { isolate } from "../test/app.ts";
import { invocationSchema } from "./invocation-schemas.ts";
import { createSkill, SKILLS, unique } from "./test-support.ts";

const { call } = isolate();

async function invoke(slug: string, inputs: unknown = {}) {
  const reply = await call(`${SKILLS}/${slug}/invoke`, { body: { inputs } });
  expect([200, 202], reply.text).toContain(reply.status);
  return invocationSchema.parse(reply.body);
}

async function made(implementation: unknown, more: Record<string, unknown> = {}) {
  const { slug } = await createSkill(call, { inputs: null, ...more, implementation });
  return slug;
}

describe("a skill of a shell script", () => {
  it("has its inputs, its files, and gives outputs by name", async () => {
    const slug = await made(
      { type: "bash", script: 'echo "line=$(head -1 data.txt)" >> "$PIPELZR_OUTPUT"' },
      { files: { "data.txt": "first\nsecond\n" } },
    );
    expect((await invoke(slug)).outputs).toEqual({ line: "first" });
  });
});

describe("a skill of a pipeline", () => {
  const pipeline = (outputs: unknown) =>
    call("/api/v1/pipelines", {
      body: {
        name: "twice",
        tasks: [
          {
            name: "double",
            script: "export default ({ n }) => n * 2",
            inputs: { n: "${{ inputs.n }}" },
          },
        ],
        outputs,
      },
    }).then(({ body }) => String(body.id));

  it("runs it with its inputs and gives its outputs", async () => {
    const pipeline_id = await pipeline({ n: "${{ tasks.double.result }}" });
    const slug = await made({ type: "pipeline", pipeline_id });
    expect(await invoke(slug, { n: 4 })).toMatchObject({ state: "completed", outputs: { n: 8 } });
  });

  it("fails on outputs that are not as it declares", async () => {
    const pipeline_id = await pipeline({ n: "${{ tasks.double.result }}" });
    const outputs = { type: "object", properties: { n: { type: "string" } } };
    const failed = await invoke(await made({ type: "pipeline", pipeline_id }, { outputs }), {
      n: 1,
    });
    expect(failed).toMatchObject({ state: "failed", error_code: "output_invalid" });
    expect(failed.error).toContain("outputs.n");
  });

  it("fails with what the pipeline failed with", async () => {
    const { body } = await call("/api/v1/pipelines", {
      body: {
        name: "fails",
        tasks: [{ name: "one", script: "export default () => { throw new Error('deep') }" }],
      },
    });
    const slug = await made({ type: "pipeline", pipeline_id: body.id });
    const failed = await invoke(slug);
    expect(failed.state).toBe("failed");
    expect(failed.error).toContain("deep");
  });
});

describe("a skill of an HTTP request", () => {
  const permissions = { network: ["example.invalid"] };

  it("is refused hosts that it does not declare, before anything is stored", async () => {
    const reply = await call(SKILLS, {
      body: {
        name: unique("http"),
        category: "integration",
        implementation: { type: "http", url: "https://elsewhere.test/" },
        permissions,
      },
    });
    expect(reply.status).toBe(422);
  });
});

describe("a skill of a prompt", () => {
  it("says what to set where there is no language model", async () => {
    const slug = await made({ type: "prompt", template: "Say ${{ inputs.what }}" });
    const failed = await invoke(slug, { what: "hello" });
    expect(failed).toMatchObject({ state: "failed", error_code: "model_no_language" });
    expect(failed.error).toContain("ANTHROPIC_API_KEY");
  });
});

describe("a secret of a skill", () => {
  const VALUE = "s3cr3t-value-that-must-not-show-9f2c";

  it("is in no response, log, event or row, however its code prints it", async () => {
    const name = `S_${crypto.randomUUID().slice(0, 8).toUpperCase()}`;
    const stored = await call("/api/v1/secrets", { body: { name, value: VALUE } });
    expect(stored.status, stored.text).toBeLessThan(300);
    const slug = await made(
      {
        type: "typescript",
        script: `export default (_, ctx) => {
          const value = ctx.env.${name};
          console.log(value);
          console.error(btoa(value));
          console.log(value.slice(0, 9));
          console.log(value.match(/.{1,7}/g).join("\\n"));
          console.log(encodeURIComponent(value), JSON.stringify({ value }));
          for (let at = 0; at < value.length; at += 6) process.stdout.write(value.slice(at, at + 6));
          return { value, nested: [value], base64: btoa(value) };
        }`,
      },
      { permissions: { secrets: [name] } },
    );
    const done = await invoke(slug);
    expect(done.state).toBe("completed");
    const texts = [
      JSON.stringify(done),
      (await call(`/api/v1/invocations/${done.id}/logs`)).text,
      (await call(`/api/v1/invocations/${done.id}/events`)).text,
      (await call(`/api/v1/invocations?limit=200`)).text,
    ];
    const { results: tables } = await env.DB.prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'd1%'",
    ).all<{ name: string }>();
    for (const { name: table } of tables) {
      texts.push(JSON.stringify((await env.DB.prepare(`SELECT * FROM ${table}`).all()).results));
    }
    const object = env.RUN_COORDINATOR.getByName(objectOf(done.id, "shared"));
    texts.push(
      await runInDurableObject(object, (_, { storage }) => {
        const sql =
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'";
        const names = storage.sql.exec<{ name: string }>(sql).toArray();
        const rows = names.map((table) =>
          storage.sql.exec(`SELECT * FROM ${table.name}`).toArray(),
        );
        return JSON.stringify(rows);
      }),
    );
    for (const { key } of (await env.BLOBS.list()).objects) {
      texts.push((await (await env.BLOBS.get(key))?.text()) ?? "");
    }
    for (const text of texts) {
      expect(text).not.toContain(VALUE);
      expect(text).not.toContain(btoa(VALUE));
    }
    expect(JSON.stringify(done.outputs)).toContain("***");
  });

  it("is not given to a skill that does not declare it", async () => {
    const slug = await made({
      type: "typescript",
      script: "export default (_, ctx) => Object.keys(ctx.env)",
    });
    expect((await invoke(slug)).outputs).toEqual([]);
  });
});
