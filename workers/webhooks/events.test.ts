import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OutboxMessage } from "../delivery/message.ts";
import {
  EVENT_TYPES,
  eventsFor,
  matchesPattern,
  problemOf,
  publicType,
  type Subscription,
} from "./events.ts";

const all: Subscription = {
  project_id: "p",
  events: ["*"],
  filter: { kinds: null, resource_ids: null },
};

function message(change: Partial<OutboxMessage> = {}): OutboxMessage {
  return {
    ...{ position: 1, id: "r:3", topic: "task", project_id: "p", resource_id: "r" },
    ...{ trace: null, created_at: 1_000 },
    events: [
      { seq: 2, run: 0, at: 1_000, type: "resource.updated", data: { name: "n", id: "other" } },
      { seq: 3, run: 1, at: 2_000, type: "run.completed", data: {} },
      { seq: 4, run: 1, at: 2_000, type: "step.completed", data: {} },
    ],
    ...change,
  };
}

const types = (subscription: Partial<Subscription>, change: Partial<OutboxMessage> = {}) =>
  eventsFor({ ...all, ...subscription }, message(change)).map(({ type }) => type);

describe("events", () => {
  it("have a public name by kind", () => {
    expect(publicType("invocation", "run.failed")).toBe("invocation.failed");
    expect(publicType("agent", "tool.approval_requested")).toBe("agent.approval_requested");
    expect(publicType("agent", "run.failed")).toBeNull();
    expect(publicType("constructor", "run.failed")).toBeNull();
    expect(new Set(EVENT_TYPES).size).toBe(EVENT_TYPES.length);
  });

  it("are sent with what they are about, which nothing of theirs replaces", () => {
    const [updated, completed] = eventsFor(all, message());
    expect(updated).toMatchObject({ id: "evt_r_2", type: "task.updated" });
    expect(JSON.parse(updated?.body ?? "")).toEqual({
      type: "task.updated",
      timestamp: "1970-01-01T00:00:01.000Z",
      data: { id: "r", kind: "task", project_id: "p", run: null, seq: 2, name: "n" },
    });
    expect(JSON.parse(completed?.body ?? "")).toMatchObject({ data: { run: 1, seq: 3 } });
  });

  it("go to who wants them", () => {
    expect(types({})).toEqual(["task.updated", "task.completed"]);
    expect(types({ events: ["task.completed", "agent.*"] })).toEqual(["task.completed"]);
    expect(types({ events: ["*.failed"] })).toEqual([]);
    expect(types({ project_id: "q" })).toEqual([]);
    expect(types({ filter: { kinds: ["agent"], resource_ids: null } })).toEqual([]);
    expect(types({ filter: { kinds: ["task"], resource_ids: ["r"] } })).toHaveLength(2);
    expect(types({ filter: { kinds: null, resource_ids: ["s"] } })).toEqual([]);
  });

  it("of the audit log go to who names them, as the entries that they are", () => {
    const data = { id: "entry-1", action: "task.create" };
    const told = {
      topic: "audit",
      events: [{ seq: 7, run: 0, at: 1_000, type: "audit.recorded", data }],
    };
    expect(types({}, told)).toEqual([]);
    expect(types({ events: ["*.recorded"] }, told)).toEqual([]);
    const [event] = eventsFor({ ...all, events: ["audit.*"] }, message(told));
    expect(event).toMatchObject({ id: "evt_r_7", type: "audit.recorded" });
    expect(JSON.parse(event?.body ?? "")).toMatchObject({ data: { ...data, kind: "audit" } });
    expect(problemOf("*.recorded")).toContain("There are:");
  });

  it("have ids without a dot", () => {
    const [event] = eventsFor(all, message({ resource_id: "a.b:c" }));
    expect(event?.id).toBe("evt_a_b_c_2");
  });
});

describe("a pattern", () => {
  it("matches as a regular expression would", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "*"), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (pattern, type) => {
        const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*");
        expect(matchesPattern(pattern, type)).toBe(new RegExp(`^${source}$`).test(type));
      }),
    );
  });

  it("is refused when it matches nothing, with what was meant perhaps", () => {
    expect(problemOf("*")).toBeNull();
    expect(problemOf("pipeline.*")).toBeNull();
    expect(problemOf("task.complete")).toContain('"task.completed"');
    expect(problemOf("run.completed")).toContain('"*.completed"');
    expect(problemOf("")).toContain("There are:");
  });
});
