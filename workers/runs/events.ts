/** How the machine's events are written to the event log: flat, with steps by name. */
import type { Carrier } from "../executors/detached.ts";
import type { Json } from "../executors/port.ts";
import type { NewEvent } from "./event-log.ts";
import type { EndedState } from "./ports.ts";
import { nameOf } from "./state.ts";
import type { EventRow, LiveRun } from "./store-types.ts";
import type { MachineEvent } from "./types.ts";

/** What the events of a run say of it. */
type Told = Pick<LiveRun, "plan" | "state" | "trigger" | "triggered_by">;

/** `carrier` is what carries the attempt out that an event is of. */
export function describeEvent(
  { plan, state, trigger, triggered_by }: Told,
  event: MachineEvent,
  at: number,
  carrier: Carrier | null,
): NewEvent {
  const { type, ...rest } = event;
  const data: Record<string, Json> = {};
  for (const [key, value] of Object.entries(rest)) {
    if (key === "step" && typeof value === "number") data.step = nameOf(plan, state, value);
    else if (key === "result" && isRecord(value)) Object.assign(data, value);
    else if (isJson(value)) data[key] = value;
  }
  if (type === "run.queued" || type === "run.started")
    Object.assign(data, { trigger, triggered_by });
  if (carrier !== null) {
    data.executor = carrier.executor;
    if (carrier.runner_id !== null) data.runner_id = carrier.runner_id;
  }
  const epoch = "epoch" in event ? { epoch: event.epoch } : {};
  const step = typeof data.step === "string" ? { step: data.step } : {};
  return { at, type, ...epoch, ...step, data };
}

/** What an attempt that was carried out came to; null of any other event. */
export function endOf(event: MachineEvent): EndedState | null {
  if (event.type === "attempt.lost") return "lost";
  if (event.type !== "attempt.finished") return null;
  const isReused = event.result.status === "completed" && event.result.cached_from !== undefined;
  return isReused ? null : event.result.status;
}

function isRecord(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isJson(value: unknown): value is Json {
  return value === null || ["string", "number", "boolean", "object"].includes(typeof value);
}

/** The details of an event, read back. */
export function readData(event: Pick<EventRow, "data">): Readonly<Record<string, Json>> {
  const data: Readonly<Record<string, Json>> = JSON.parse(event.data);
  return data;
}
