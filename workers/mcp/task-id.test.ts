import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LONG_RUN_KINDS, readTaskId, writeTaskId } from "./task-id.ts";

describe("ids of tasks", () => {
  it("are read as they were written", () => {
    const ref = fc.record({
      kind: fc.constantFrom(...LONG_RUN_KINDS),
      id: fc.uuid({ version: 7 }),
      run: fc.integer({ min: 1, max: 999_999_999 }),
    });
    fc.assert(
      fc.property(ref, (each) => {
        expect(readTaskId(writeTaskId(each))).toEqual(each);
      }),
    );
  });

  it.each([
    "",
    "task",
    "task:a",
    "task:a:0",
    "agent:a:1",
    "task:a:1:1",
    "task:a b:1",
    "task:a:1\n",
  ])("are not %j", (text) => expect(readTaskId(text)).toBeNull());
});
