/** Wires couriers: what each delivers to, and who wakes them. */
import { createSessionClient } from "./agents/client.ts";
import { sessionsIn } from "./agents/reach.ts";
import { serviceOf } from "./agents/traces/otlp.ts";
import { spansOf } from "./agents/traces/spans.ts";
import { readHeaders, traceTarget } from "./agents/traces/target.ts";
import { CommandCentralTarget } from "./commandcentral/target.ts";
import { loadConfig } from "./config.ts";
import type { CourierPorts } from "./delivery/courier.ts";
import { CourierBase } from "./delivery/object.ts";
import { Outbox } from "./delivery/outbox.ts";
import type { Target } from "./delivery/target.ts";
import { logWarning } from "./http/log.ts";
import { IdealzrTarget } from "./idealzr/target.ts";
import { NEIGHBOURS, type NeighbourName } from "./integrations/names.ts";
import { settingsOf } from "./integrations/service.ts";
import { isNotFound } from "./runs/access.ts";
import { graphSourceOf, subjectsOf } from "./subjects.ts";
import { VislzrTarget } from "./vislzr/target.ts";
import { forgetLeftWebhooks, webhookCourierNames, webhookPortsOf } from "./webhook-couriers.ts";
import { webhookIdOf } from "./webhooks/names.ts";

/** Builds what a neighbour's courier delivers to; null where nothing is delivered to it. */
const TARGETS: Readonly<Record<NeighbourName, (env: Env) => Target | null>> = {
  commandcentral: (env) => {
    const config = loadConfig(env);
    const { COMMANDCENTRAL_AUDIT_PATH: audit_path, COMMANDCENTRAL_STATE_TRACKER } = config;
    if (audit_path === null && !COMMANDCENTRAL_STATE_TRACKER) return null;
    return new CommandCentralTarget({
      ...{ url: config.COMMANDCENTRAL_URL, token: config.COMMANDCENTRAL_TOKEN },
      ...{ audit_path, tracks_states: COMMANDCENTRAL_STATE_TRACKER },
    });
  },
  vislzr(env) {
    const { VISLZR_URL: url, PUBLIC_URL: public_url } = loadConfig(env);
    return new VislzrTarget({ url, public_url, source: graphSourceOf(env) });
  },
  idealzr(env) {
    const { IDEALZR_URL: url, PUBLIC_URL: public_url } = loadConfig(env);
    return new IdealzrTarget({ url, public_url, subject: subjectsOf(env) });
  },
};

/** The courier of traces, of an environment that has a collector. */
const TRACES = "traces";

async function portsOf(env: Env, name: string): Promise<CourierPorts | null> {
  const outbox = new Outbox(env.DB);
  if (name === TRACES) {
    const target = tracesOf(env);
    return target && { name, outbox, target, from: null };
  }
  const webhookId = webhookIdOf(name);
  if (webhookId !== null) return webhookPortsOf(env, webhookId);
  const neighbour = NEIGHBOURS.find((known) => known === name);
  const target = neighbour === undefined ? null : neighbourTarget(env, neighbour);
  // What happened before it first heard of anything is told too, as far as it is still there.
  return target && { name, outbox, target, from: 0 };
}

/** Null for a neighbour that nothing is delivered to. */
function neighbourTarget(env: Env, name: NeighbourName): Target | null {
  return settingsOf(loadConfig(env), name).enabled ? TARGETS[name](env) : null;
}

function tracesOf(env: Env): Target | null {
  const config = loadConfig(env);
  const { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_HEADERS: headers } = config;
  if (url === null) return null;
  const sessions = createSessionClient(sessionsIn(env.AGENT_SESSION));
  const withContent = config.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT;
  return traceTarget({
    url,
    headers: readHeaders(headers),
    service: serviceOf(config),
    async spans(id, turn) {
      try {
        const { spec, ...record } = await sessions.turn(id, turn);
        return spansOf({ ...record, agent: { ...spec, id } }, withContent);
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
  });
}

export class Courier extends CourierBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, portsOf);
  }
}

/** Names of the couriers that there are. */
export async function courierNames(env: Env): Promise<readonly string[]> {
  const config = loadConfig(env);
  const neighbours = NEIGHBOURS.filter((name) => neighbourTarget(env, name) !== null);
  const traces = config.OTEL_EXPORTER_OTLP_ENDPOINT === null ? [] : [TRACES];
  return [...neighbours, ...traces, ...(await webhookCourierNames(env))];
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

/** Forgets messages that every courier has, and couriers of what is deleted. */
export async function sweepOutbox(env: Env, now: number): Promise<void> {
  await wakeCouriers(env);
  await forgetLeftWebhooks(env);
  await new Outbox(env.DB).purge(await courierNames(env), now);
}
