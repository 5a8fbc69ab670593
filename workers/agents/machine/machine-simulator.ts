/** Test support: a session with everything around it, in virtual time and from one seed. */
import type { MachineEvent } from "./effects.ts";
import { createSession } from "./machine.ts";
import { Backends } from "./machine-simulator-backends.ts";
import { Callers } from "./machine-simulator-callers.ts";
import { Dice, type Scenario, Timeline } from "./machine-simulator-scenario.ts";
import { Script } from "./machine-simulator-script.ts";
import { Shell } from "./machine-simulator-shell.ts";
import { Witness } from "./machine-witness.ts";
import type { SessionState } from "./types.ts";

export interface Outcome {
  readonly state: SessionState;
  readonly log: readonly MachineEvent[];
  readonly crashes: number;
}

/** Far above what the longest scenario takes: reached only by a session that spins. */
const MAX_TURNS = 20_000;

/** Runs a scenario until the session is terminated, or waits for a message and nothing else. */
export function simulate(scenario: Scenario): Outcome {
  const { settings, limits, seed } = scenario;
  const state = createSession({ settings, limits, seed });
  const time = new Timeline();
  const witness = new Witness(state);
  const on = { time, dice: new Dice(scenario), script: new Script(scenario), witness };
  const backends = new Backends(on);
  const callers = new Callers(on);
  const shell: Shell = new Shell(state, {
    ...on,
    around: {
      atOnce: (effect) => backends.atOnce(effect),
      perform: (effect) => backends.perform(shell, effect),
      watch: (event) => callers.watch(shell, event),
    },
  });
  for (const { at, act } of scenario.acts) time.later(at, () => callers.act(shell, act));
  for (let turns = 0; time.pass() || callers.help(shell); turns += 1) {
    if (turns > MAX_TURNS) throw new Error("broken invariant: the session spins");
  }
  // Whoever looks at a session wakes its process, which accounts for what the last one left.
  while (!shell.handle({ type: "timer" }));
  witness.history(shell.state, shell.log);
  return { state: shell.state, log: shell.log, crashes: shell.life };
}
