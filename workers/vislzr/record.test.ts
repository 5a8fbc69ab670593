/** What is to be told, and when. */
import { describe, expect, it } from "vitest";
import { messageSchema, type OutboxMessage } from "../delivery/message.ts";
import { heard, lookAfterMs, patienceOf, YOUNG_MS } from "./record.ts";

function message(types: readonly string[], run = 1): OutboxMessage {
  return messageSchema.parse({
    ...{ position: 1, id: "m", topic: "pipeline", project_id: "default", resource_id: "p" },
    events: types.map((type, seq) => ({ seq, run, at: 0, type, data: {} })),
    created_at: 0,
  });
}

const never = () => false;

describe("what has been heard", () => {
  it("keeps runs until their end was told", () => {
    const first = heard(null, [message(["run.queued", "run.started"])], never, 5);
    expect(first).toMatchObject({ kind: "pipeline", runs: [1], live_since: 5, is_gone: false });
    const second = heard(first, [message(["run.queued"], 2)], never, 9);
    expect(second).toMatchObject({ runs: [1, 2], live_since: 5 });
    const third = heard(second, [message(["run.completed"], 2)], (run) => run === 1, 12);
    expect(third).toMatchObject({ runs: [2] });
  });

  it("is as it was without a message, and nothing for what was never heard of", () => {
    const known = heard(null, [message(["run.started"])], never, 0);
    expect(heard(known, [], never, 1)).toBe(known);
    expect(heard(null, [], never, 1)).toBe(null);
  });

  it("does not come back from a deletion", () => {
    const gone = heard(null, [message(["resource.deleted"], 0)], never, 0);
    expect(heard(gone, [message(["run.completed"])], never, 0)).toMatchObject({ is_gone: true });
  });
});

describe("patience", () => {
  const at = (types: readonly string[], now: number) => {
    const messages = [message(types)];
    const record = heard(null, messages, never, 0);
    return record && patienceOf(record, messages, now);
  };

  it("is had with a run that has only just begun", () => {
    expect(at(["run.queued", "run.started"], 0)).toBe(YOUNG_MS);
    expect(at(["run.started"], YOUNG_MS)).toBe(0);
  });

  it("is not had with one that is over, nor where none lives", () => {
    expect(at(["run.started", "run.failed"], 0)).toBe(0);
    expect(at(["resource.created"], 0)).toBe(0);
  });

  it("grows between looks, from five seconds to a minute", () => {
    const pauses = Array.from({ length: 20 }, (_, looks) => lookAfterMs(looks + 1));
    expect(pauses[0]).toBe(5_000);
    expect(pauses.at(-1)).toBe(60_000);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  });
});
