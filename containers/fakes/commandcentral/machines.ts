/** CommandCentral's built-in state machines; other types of entity have none. */

export interface StateMachine {
  readonly initial: string;
  readonly transitions: Readonly<Record<string, readonly string[]>>;
}

export const STATE_MACHINES: ReadonlyMap<string, StateMachine> = new Map([
  [
    "project",
    {
      initial: "proposed",
      transitions: {
        proposed: ["active", "killed"],
        active: ["paused", "completed", "killed"],
        paused: ["active", "killed"],
        completed: [],
        killed: [],
      },
    },
  ],
  [
    "task",
    {
      initial: "backlog",
      transitions: {
        backlog: ["in_progress", "blocked"],
        in_progress: ["review", "blocked", "backlog"],
        review: ["done", "in_progress"],
        done: [],
        blocked: ["backlog", "in_progress"],
      },
    },
  ],
]);

export function allowedFrom(entityType: string, state: string): readonly string[] {
  return STATE_MACHINES.get(entityType)?.transitions[state] ?? [];
}
