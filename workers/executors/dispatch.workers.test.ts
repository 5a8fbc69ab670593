/** The consumers of the queue of dispatches, and of what it gave up. */
import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { consume } from "../queues.ts";
import type { AttemptBackend, DetachedRef, Dispatch, OfferAnswer } from "./detached.ts";
import {
  type BurialPorts,
  buryDispatches,
  consumeDispatches,
  type DispatchPorts,
} from "./dispatch.ts";

function dispatchOf(more: Partial<Dispatch> = {}): Dispatch {
  return {
    version: 1,
    resource_id: crypto.randomUUID(),
    run: 1,
    step: 0,
    epoch: 1,
    project_id: "dispatch-tests",
    placement: "own",
    task_type: "subprocess",
    patient: false,
    claimed_by: null,
    expires_at: Date.now() + 30_000,
    ...more,
  };
}

type Calls = [name: string, ...values: unknown[]][];

/** Ports that note how they are called; the backend answers as it is told to. */
function portsWith(answer: (dispatch: Dispatch) => OfferAnswer) {
  const calls: Calls = [];
  const backend: AttemptBackend = {
    async offer(dispatch) {
      calls.push(["offer", dispatch.resource_id]);
      return answer(dispatch);
    },
    stop: async () => ({ status: "unknown" }),
    waiting: async () => null,
  };
  const ports: DispatchPorts & BurialPorts = {
    owner: (dispatch) => ({
      async attemptUnavailable({ resource_id }: DetachedRef, type, by) {
        calls.push(["unavailable", resource_id, type, by]);
      },
      async attemptReturned({ resource_id }: DetachedRef, type, by) {
        calls.push(["returned", resource_id, type, by]);
      },
      async attemptUndeliverable({ resource_id }: DetachedRef, message) {
        if (dispatch.project_id === "down") throw new Error("The owner was reset.");
        calls.push(["undeliverable", resource_id, message]);
      },
    }),
    backend: async () => backend,
    async note({ resource_id }, reason) {
      calls.push(["noted", resource_id, reason]);
    },
    async postpone({ resource_id }, seconds) {
      calls.push(["postponed", resource_id, seconds]);
    },
  };
  return { calls, ports };
}

type Consumer = (messages: readonly Message<unknown>[]) => Promise<void>;
type Fate = "acked" | number | undefined;

/** Hands messages to a consumer; answers with what became of each: the seconds to its next try. */
async function fates(bodies: readonly unknown[], consumer: Consumer, attempts = 1) {
  const all: Fate[] = bodies.map(() => undefined);
  const messages = bodies.map((body, index) => ({
    ...{ id: String(index), timestamp: new Date(), attempts, body },
    ack: () => {
      all[index] = "acked";
    },
    retry: (options?: QueueRetryOptions) => {
      all[index] = options?.delaySeconds;
    },
  }));
  await consumer(messages);
  return all;
}

const taken = (): OfferAnswer => ({ status: "taken" });
const failing = (): OfferAnswer => {
  throw new Error("The backend was reset.");
};

describe("a dispatch", () => {
  it("that is taken is done with", async () => {
    const dispatch = dispatchOf();
    const { calls, ports } = portsWith(taken);
    expect(await fates([dispatch], (all) => consumeDispatches(all, ports))).toEqual(["acked"]);
    expect(calls).toEqual([["offer", dispatch.resource_id]]);
  });

  it("that nothing can run is told to its owner, with the type and who says so", async () => {
    const dispatch = dispatchOf({ task_type: "dagger" });
    const { calls, ports } = portsWith(() => ({ status: "unavailable", reason: "no", by: "pool" }));
    expect(await fates([dispatch], (all) => consumeDispatches(all, ports))).toEqual(["acked"]);
    expect(calls.at(-1)).toEqual(["unavailable", dispatch.resource_id, "dagger", "pool"]);
  });

  it("that its backend is not the one for goes back to its owner", async () => {
    const dispatch = dispatchOf({ task_type: "dagger" });
    const { calls, ports } = portsWith(() => ({ status: "returned", by: "pool" }));
    expect(await fates([dispatch], (all) => consumeDispatches(all, ports))).toEqual(["acked"]);
    expect(calls.at(-1)).toEqual(["returned", dispatch.resource_id, "dagger", "pool"]);
  });

  it("that finds no room comes again, unless it is sent again before that anyway", async () => {
    const soon = dispatchOf({ expires_at: Date.now() + 4_000 });
    const later = dispatchOf({ expires_at: Date.now() + 30_000 });
    const gone = dispatchOf({ expires_at: 1 });
    const { calls, ports } = portsWith(() => ({ status: "full", retry_after_seconds: 5 }));
    const all = [soon, later, gone];
    expect(await fates(all, (some) => consumeDispatches(some, ports))).toEqual([
      "acked",
      "acked",
      "acked",
    ]);
    expect(calls.filter(([name]) => name === "postponed")).toEqual([
      ["postponed", later.resource_id, 5],
    ]);
  });

  it.each([
    [1, 1],
    [4, 8],
    [9, 60],
  ])("that fails for the %i. time is retried after %i s", async (attempts, seconds) => {
    const { ports } = portsWith(failing);
    const consumer = (all: readonly Message<unknown>[]) => consumeDispatches(all, ports);
    expect(await fates([dispatchOf()], consumer, attempts)).toEqual([seconds]);
  });

  it("that fails holds up none beside it", async () => {
    const [bad, good] = [dispatchOf(), dispatchOf()];
    const { ports } = portsWith(({ resource_id }) =>
      resource_id === bad.resource_id ? failing() : taken(),
    );
    expect(await fates([bad, good], (all) => consumeDispatches(all, ports))).toEqual([1, "acked"]);
  });

  it.each([null, "text", {}, { ...dispatchOf(), version: 2 }])(
    "that cannot be read, as %j, is left to its coordinator",
    async (body) => {
      const { calls, ports } = portsWith(taken);
      const { ports: burying } = portsWith(taken);
      expect(await fates([body], (all) => consumeDispatches(all, ports))).toEqual(["acked"]);
      expect(await fates([body], (all) => buryDispatches(all, burying))).toEqual(["acked"]);
      expect(calls).toEqual([]);
    },
  );
});

describe("a dispatch that was given up", () => {
  it("is noted, then fails its attempt, saying what helps", async () => {
    const dispatch = dispatchOf();
    const { calls, ports } = portsWith(taken);
    expect(await fates([dispatch], (all) => buryDispatches(all, ports))).toEqual(["acked"]);
    const reason = expect.stringContaining("dispatch_failed");
    expect(calls).toEqual([
      ["noted", dispatch.resource_id, reason],
      ["undeliverable", dispatch.resource_id, reason],
    ]);
  });

  it("is tried again when its owner does not answer, and holds up none beside it", async () => {
    const [down, up] = [dispatchOf({ project_id: "down" }), dispatchOf()];
    const { calls, ports } = portsWith(taken);
    const consumer = (all: readonly Message<unknown>[]) => buryDispatches(all, ports);
    expect(await fates([down, up], consumer, 2)).toEqual([2, "acked"]);
    const told = calls.filter(([name]) => name === "undeliverable");
    expect(told.map(([, id]) => id)).toEqual([up.resource_id]);
  });
});

describe("a queue", () => {
  it("without a consumer keeps its messages", async () => {
    const batch = createMessageBatch("pipelzr-other", []);
    await expect(consume(batch, env)).rejects.toThrow('The queue "pipelzr-other" has no consumer');
  });

  it("of the configuration has a consumer", async () => {
    for (const queue of ["pipelzr-dispatch", "pipelzr-dead-letters"]) {
      await consume(createMessageBatch(queue, []), env);
    }
  });
});
