/** For tests of deliveries: real couriers and the real outbox, with a target that a test scripts. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { OutboxEvent, OutboxMessage } from "./message.ts";
import { CourierBase } from "./object.ts";
import { Outbox } from "./outbox.ts";
import type { Delivery, Outcome } from "./target.ts";

type Deliver = (delivery: Delivery, signal: AbortSignal) => Promise<Outcome> | Outcome;

const scripts = new Map<string, Deliver>();

/** What the courier of this name does with a delivery from now on. */
export function scriptTarget(name: string, deliver: Deliver): void {
  scripts.set(name, deliver);
}

export const RETRY_DELAYS_MS = [20, 20, 20];

export class ScriptedCourier extends CourierBase {
  constructor(context: DurableObjectState, environment: Env) {
    super(context, environment, async (_, name) => ({
      name,
      outbox: new Outbox(environment.DB),
      from: 0,
      target: {
        parallel: 4,
        retry_delays_ms: RETRY_DELAYS_MS,
        wants: ({ topic }) => topic === name,
        entityOf: ({ resource_id }) => resource_id,
        deliver: async (delivery, signal) => {
          const script = scripts.get(name);
          return script ? script(delivery, signal) : allDone(delivery);
        },
      },
    }));
  }
}

export const courierOf = (name: string) => env.SCRIPTED_COURIER.getByName(name);

export function allDone({ messages }: Pick<Delivery, "messages">): Outcome {
  return { status: "delivered", through: messages.at(-1)?.position ?? 0 };
}

export function failed(
  scope: "target" | "entity",
  more: Partial<Extract<Outcome, { status: "failed" }>> = {},
): Outcome {
  return {
    ...{ status: "failed", through: 0, error: "It failed.", retry_after_ms: null, scope },
    ...{ is_final: false, ...more },
  };
}

export const event = (seq: number, more: Partial<OutboxEvent> = {}): OutboxEvent => ({
  ...{ seq, run: 0, at: Date.now(), type: "resource.updated", data: {} },
  ...more,
});

/** Writes messages to the outbox, in one batch; each is of the topic that its courier is named by. */
export async function write(
  topic: string,
  messages: readonly Partial<OutboxMessage>[],
): Promise<void> {
  const insert = env.DB.prepare(
    `INSERT INTO outbox (id, topic, project_id, resource_id, payload, created_at)
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  );
  await env.DB.batch(
    messages.map(({ id, project_id, resource_id, events, created_at }) =>
      insert.bind(
        id ?? crypto.randomUUID(),
        topic,
        project_id ?? "default",
        resource_id ?? "r",
        JSON.stringify(events ?? [event(1)]),
        created_at ?? Date.now(),
      ),
    ),
  );
}

/** Resets the object as a crash would. */
export async function crash(name: string): Promise<void> {
  await runInDurableObject(courierOf(name), (_, state) => state.abort("crash")).catch(
    () => undefined,
  );
}
