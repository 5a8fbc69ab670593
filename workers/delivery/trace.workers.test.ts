/** The trace of a request travels with all that it leads to, to those who are told of it. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createAgent } from "../agents/test-support.ts";
import { isolate } from "../test/app.ts";
import type { OutboxMessage } from "./message.ts";
import { correlationOf } from "./neighbour.ts";
import { Outbox } from "./outbox.ts";

const { call } = isolate();
const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SENT = { "x-correlation-id": "order-66", traceparent: PARENT, tracestate: "shop=7" };
const TRACE = { correlation_id: "order-66", traceparent: PARENT, tracestate: "shop=7" };

async function messages(wanted: (message: OutboxMessage) => boolean): Promise<OutboxMessage[]> {
  return (await new Outbox(env.DB).after(0, 1_000)).filter(wanted);
}

/** The traces of the runs that a project's outbox tells of, each once. */
async function tracesIn(topic: string, type: string) {
  const found = await messages(
    (message) => message.topic === topic && message.events.some((event) => event.type === type),
  );
  return found.map(({ trace }) => trace);
}

describe("a trace", () => {
  it("goes from a request to the run that it begins", async () => {
    const body = { name: "traced", script: "export default () => 1", execute: true };
    const { body: task } = await call("/api/v1/tasks", { body, headers: SENT });
    const ofTask = ({ resource_id }: OutboxMessage) => resource_id === task.id;
    await expect
      .poll(async () => (await messages(ofTask)).flatMap(({ events }) => events.map((e) => e.type)))
      .toContain("run.completed");
    const found = await messages(ofTask);
    expect(found.map(({ trace }) => trace)).toEqual(found.map(() => TRACE));
    expect(found.map(correlationOf)[0]).toEqual({
      ...{ "X-Correlation-ID": "order-66", traceparent: PARENT, tracestate: "shop=7" },
    });
  });

  it("goes from a run to those below it, and to the agents and tasks of its steps", async () => {
    const child = await call("/api/v1/pipelines", {
      body: { name: "below", tasks: [{ name: "a", script: "export default () => 1" }] },
    });
    const { body } = await call("/api/v1/pipelines", {
      body: {
        name: "above",
        tasks: [
          { name: "sub", pipeline: child.body.id },
          { name: "agent", agent: { model: "operator", prompt: "/run echo hi" } },
        ],
      },
    });
    const done = await call(`/api/v1/pipelines/${body.id}/execute`, {
      method: "POST",
      headers: { ...SENT, "x-correlation-id": "below" },
    });
    expect(done.body, done.text).toMatchObject({ state: "completed" });
    const wanted = { ...TRACE, correlation_id: "below" };
    await expect.poll(() => tracesIn("pipeline", "run.completed")).toContainEqual(wanted);
    await expect.poll(() => tracesIn("agent", "turn.ended")).toContainEqual(wanted);
    const ofCall = { ...wanted, traceparent: expect.stringContaining(PARENT.slice(0, 36)) };
    await expect.poll(() => tracesIn("task", "run.completed")).toContainEqual(ofCall);
  });

  it("of a message goes to what its turn does", async () => {
    const { id } = await createAgent(call);
    await call(`/api/v1/agents/${id}/message`, {
      body: { content: "/run echo hi" },
      headers: { ...SENT, "x-correlation-id": "told" },
    });
    // What a tool leads to is below the span of its call, in the same trace.
    const wanted = {
      ...TRACE,
      correlation_id: "told",
      traceparent: expect.stringMatching(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/),
    };
    await expect.poll(() => tracesIn("task", "run.completed")).toContainEqual(wanted);
    expect(await tracesIn("agent", "turn.ended")).toContainEqual({
      ...TRACE,
      correlation_id: "told",
    });
  });

  it("is the resource itself for those that nobody asked for by a request", () => {
    expect(correlationOf({ trace: null, resource_id: "r" })).toEqual({ "X-Correlation-ID": "r" });
  });
});
