/** Wires couriers: what each delivers to, and who wakes them. */
import { loadConfig } from "./config.ts";
import type { CourierPorts } from "./delivery/courier.ts";
import { CourierBase } from "./delivery/object.ts";
import { Outbox } from "./delivery/outbox.ts";
import type { Target } from "./delivery/target.ts";
import { logWarning } from "./http/log.ts";
import { NEIGHBOURS, type NeighbourName } from "./integrations/names.ts";
import { settingsOf } from "./integrations/service.ts";

/** Builds what a neighbour's courier delivers to; null where nothing is delivered to it. */
const TARGETS: Readonly<Record<NeighbourName, (env: Env) => Target | null>> = {
  commandcentral: () => null,
  vislzr: () => null,
  idealzr: () => null,
};

async function portsOf(env: Env, name: string): Promise<CourierPorts | null> {
  const neighbour = NEIGHBOURS.find((known) => known === name);
  if (neighbour === undefined || !settingsOf(loadConfig(env), neighbour).enabled) return null;
  const target = TARGETS[neighbour](env);
  return target && { name, outbox: new Outbox(env.DB), target, from: null };
}

export class Courier extends CourierBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, portsOf);
  }
}

/** Names of the couriers that there are. */
export async function courierNames(env: Env): Promise<readonly string[]> {
  const config = loadConfig(env);
  return NEIGHBOURS.filter((name) => settingsOf(config, name).enabled);
}

/** Tells every courier that there may be something new; one that does not hear it is told by the sweeper. */
export async function wakeCouriers(env: Env): Promise<void> {
  const names = await courierNames(env);
  const woken = await Promise.allSettled(names.map((name) => env.COURIER.getByName(name).wake()));
  for (const [index, { status, ...rest }] of woken.entries()) {
    if (status === "rejected")
      logWarning("courier_not_woken", rest, { courier: names[index] ?? "" });
  }
}

/** Forgets messages that every courier has. */
export async function sweepOutbox(env: Env, now: number): Promise<void> {
  await wakeCouriers(env);
  await new Outbox(env.DB).purge(await courierNames(env), now);
}
