/** Slots of one object, with attempts that end when the test says so. */
import { describe, expect, it, vi } from "vitest";
import type { Executor, Outcome } from "../executors/port.ts";
import { writeDocument } from "../tasks/document.ts";
import { NO_FILES } from "../tasks/files.ts";
import { taskKind } from "../tasks/kind.ts";
import { specSchema } from "../tasks/schemas.ts";
import { type AttemptHost, Attempts, MAX_ATTACHED_IN_FLIGHT, type Ticket } from "./attempts.ts";
import { plan, step } from "./machine-fixture.ts";
import { createRun } from "./state.ts";

const DONE: Outcome = { status: "completed", exit_code: 0, result: null };

function ticketOf(id: string, alone: boolean): Ticket {
  const spec = specSchema.parse({ name: id, command: "true" });
  const resource = {
    id,
    kind: "task",
    project_id: "slots",
    document: writeDocument({ spec, files: NO_FILES, created_by: "test" }),
    version: 1,
    run: 1,
    retry_count: 0,
    created_at: 0,
    updated_at: 0,
    changed_seq: 1,
  };
  const runPlan = plan([step("main")]);
  const head = {
    run: 1,
    trigger: "execute",
    triggered_by: null,
    trace: null,
    retry_of: null,
    request_id: null,
    created_at: 0,
    version: 1,
    open_needs: [0],
    inputs: null,
    step_inputs: null,
    pins: null,
    parent: null,
    document: resource.document,
  } as const;
  const live = {
    ...head,
    state: createRun(runPlan, 0),
    resource,
    plan: runPlan,
    results: new Map(),
    recorded: new Set<"stdout">(),
    awaited: true,
  };
  return { live, step: 0, attempt: 1, epoch: 1, alone, priority: 0, held_back: false };
}

/** An object's slots: `running` maps what runs to what ends it. */
function slots() {
  const running = new Map<string, () => void>();
  const executor: Executor = {
    type: "local",
    run: ({ ref }) =>
      new Promise<Outcome>((resolve) => {
        running.set(ref.resource_id, () => {
          running.delete(ref.resource_id);
          resolve(DONE);
        });
      }),
  };
  const host: AttemptHost = {
    work: ({ live }) => taskKind.work({ ...live, result: () => null, resultBytes: () => 0 }, 0, 1),
    mounted: (_, { work }) => work,
    cached: async () => null,
    keepCached: async () => undefined,
    executor: () => executor,
    caller: () => ({ run: async () => DONE }),
    begin: () => true,
    output: () => undefined,
    artifact: async () => undefined,
    end: async () => undefined,
    probationPassed: () => undefined,
  };
  const attempts = new Attempts(host, {
    enter: async () => ({ granted: true, position: 0 }),
    leave: async () => undefined,
  });
  const dispatch = (id: string, alone = false) => {
    const ticket = ticketOf(id, alone);
    if (attempts.admit(ticket)) void attempts.execute(ticket);
    else attempts.next();
  };
  return { running, dispatch };
}

describe("a lone suspect", () => {
  it("takes one of the object's slots, before those that came after it", async () => {
    const { running, dispatch } = slots();
    for (let n = 0; n < MAX_ATTACHED_IN_FLIGHT; n += 1) dispatch(`first-${n}`);
    dispatch("suspect", true);
    dispatch("second");
    await vi.waitFor(() => expect(running.size).toBe(MAX_ATTACHED_IN_FLIGHT));
    await scheduler.wait(0);
    expect(running.has("suspect")).toBe(false);
    running.get("first-0")?.();
    await vi.waitFor(() => expect(running.has("suspect")).toBe(true));
    expect([running.size, running.has("second")]).toEqual([MAX_ATTACHED_IN_FLIGHT, false]);
    running.get("suspect")?.();
    await vi.waitFor(() => expect(running.has("second")).toBe(true));
    for (const end of [...running.values()]) end();
  });
});
