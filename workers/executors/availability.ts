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

const DISABLED = {
  dagger:
    "Containers of Dagger engines are not enabled. An operator enables them by DAGGER_ENABLED=true; on a machine of your own `npm start` does, once the dagger CLI is installed.",
  subprocess:
    "Processes on the hosts of runners are not enabled. An operator enables them by SUBPROCESS_ENABLED=true; on a machine of your own `npm start -- --allow-subprocess` does.",
} as const;

export function executorStates(config: Config): ExecutorState[] {
  const wanted: Readonly<Record<TaskType, boolean>> = {
    local: true,
    dagger: config.DAGGER_ENABLED,
    e2b: config.E2B_ENABLED,
    subprocess: config.SUBPROCESS_ENABLED,
  };
  return TASK_TYPES.map((type) => {
    if (type === "local") return { type, state: "enabled", usable: true, reason: null };
    if (type === "e2b") return e2bState(config);
    const reason = wanted[type] ? null : DISABLED[type];
    const state = wanted[type] ? "enabled" : "disabled";
    return { type, state, usable: wanted[type], reason };
  });
}

function e2bState({ E2B_ENABLED, E2B_API_KEY }: Config): ExecutorState {
  const type = "e2b";
  if (!E2B_ENABLED) {
    const reason = "Sandboxes are not enabled. An operator enables them by E2B_ENABLED=true.";
    return { type, state: "disabled", usable: false, reason };
  }
  if (E2B_API_KEY === null) {
    const reason =
      "E2B_ENABLED is set without E2B_API_KEY. An operator makes a key at e2b.dev and sets that secret.";
    return { type, state: "unavailable", usable: false, reason };
  }
  return { type, state: "enabled", usable: true, reason: null };
}
