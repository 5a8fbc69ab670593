/** Which executors this deployment has, and why it lacks the others. */
import type { Config } from "../config.ts";
import { TASK_TYPES, type TaskType } from "./port.ts";

export interface ExecutorState {
  readonly type: TaskType;
  /** `unavailable` is asked for by the configuration, and still not to be had. */
  readonly state: "enabled" | "disabled" | "unavailable";
  readonly usable: boolean;
  readonly reason: string | null;
}

export function executorStates(config: Config): ExecutorState[] {
  const wanted: Readonly<Record<TaskType, boolean>> = {
    local: true,
    dagger: config.DAGGER_ENABLED,
    e2b: config.E2B_ENABLED,
    subprocess: false,
  };
  return TASK_TYPES.map((type) => {
    if (type === "local") return { type, state: "enabled", usable: true, reason: null };
    const state = wanted[type] ? "unavailable" : "disabled";
    return { type, state, usable: false, reason: "This version has no such executor." };
  });
}
