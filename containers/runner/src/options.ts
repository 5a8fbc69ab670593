/** Every setting of the runner: its flag, its variable, and what `--help` says about it. */

import { DEFAULT_IMAGE } from "./dagger/places.ts";

export interface Option {
  /** Without the dashes. */
  readonly flag: string;
  /** What the value is; null for a switch. */
  readonly value: string | null;
  readonly about: string;
}

export const OPTIONS = {
  url: { flag: "url", value: "URL", about: "address of the PIPELZR service" },
  token: {
    flag: "token",
    value: "TOKEN",
    about: "one-time token, at the first start only; better in PIPELZR_RUNNER_TOKEN",
  },
  name: { flag: "name", value: "NAME", about: "what the runner is called (the host's name)" },
  labels: {
    flag: "labels",
    value: "A,B",
    about: "labels that tasks ask for by runs_on, in the same case",
  },
  slots: { flag: "slots", value: "N", about: "attempts at a time (4)" },
  stateDir: {
    flag: "state-dir",
    value: "DIR",
    about: "where key and work are kept (~/.local/state/pipelzr-runner)",
  },
  allowSubprocess: {
    flag: "allow-subprocess",
    value: null,
    about: "run subprocess tasks, as processes of this machine",
  },
  isolation: {
    flag: "isolation",
    value: "MODE",
    about: "of subprocess tasks: auto, bubblewrap (do not start without), none (auto)",
  },
  bwrap: { flag: "bwrap", value: "PATH", about: "the bubblewrap executable (found in $PATH)" },
  taskPath: {
    flag: "task-path",
    value: "PATH",
    about: "$PATH of subprocess tasks (/usr/local/bin:/usr/bin:/bin)",
  },
  memoryMib: {
    flag: "memory-mib",
    value: "N",
    about: "memory of each process of a subprocess task (4096)",
  },
  maxProcesses: {
    flag: "max-processes",
    value: "N",
    about: "processes and threads of the runner's user, unless that is root (4096)",
  },
  maxFileMib: {
    flag: "max-file-mib",
    value: "N",
    about: "largest file that a subprocess task may write (8192)",
  },
  noDagger: { flag: "no-dagger", value: null, about: "run no dagger tasks" },
  daggerCli: { flag: "dagger-cli", value: "PATH", about: "the dagger executable (found in $PATH)" },
  engine: {
    flag: "engine",
    value: "ADDRESS",
    about: "the Dagger engine, such as unix:///run/dagger/engine.sock",
  },
  daggerImage: {
    flag: "dagger-image",
    value: "IMAGE",
    about: `image of dagger tasks that name none (${DEFAULT_IMAGE})`,
  },
  stay: {
    flag: "stay",
    value: null,
    about: "wait to be stopped where it would end for good: for what starts it again",
  },
  transport: {
    flag: "transport",
    value: "MODE",
    about: "auto, websocket or poll (auto: long-poll where no WebSocket gets through)",
  },
  drainSeconds: {
    flag: "drain-seconds",
    value: "N",
    about: "how long attempts may go on after SIGTERM (60)",
  },
  logBufferMib: {
    flag: "log-buffer-mib",
    value: "N",
    about: "output kept of each attempt while the service takes none (64)",
  },
  treeCacheMib: {
    flag: "tree-cache-mib",
    value: "N",
    about: "codebases kept unpacked for the tasks that mount them (4096)",
  },
  tied: {
    flag: "tied",
    value: null,
    about: "end as by SIGTERM when standard input ends, as it does with the parent process",
  },
  version: { flag: "version", value: null, about: "print the version" },
  help: { flag: "help", value: null, about: "print this" },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;

/** The environment variable of an option. */
export function variableOf({ flag }: Option): string {
  return `PIPELZR_RUNNER_${flag.toUpperCase().replaceAll("-", "_")}`;
}

const FLAG_WIDTH = 28;

/** What `--help` prints. */
export function helpText(): string {
  const lines = Object.values(OPTIONS).map((option: Option) => {
    const flag = `--${option.flag}${option.value === null ? "" : ` ${option.value}`}`;
    return `  ${flag.padEnd(FLAG_WIDTH)}${option.about}`;
  });
  return `Runs tasks of a PIPELZR service on this machine. It connects to the service by itself and needs
no open port.

First start, with a one-time token that whoever administers the pool makes. Other users of this
machine can see what stands in a command line, so the token is better given in the environment:

  PIPELZR_RUNNER_TOKEN=TOKEN \\
    node containers/runner/src/main.ts --url https://pipelzr.example.com --allow-subprocess

Later it needs neither the token nor the address.

${lines.join("\n")}

Every option is also an environment variable: --state-dir is ${variableOf(OPTIONS.stateDir)}, and
a switch is on when its variable is 1 or true. Flags go before variables.

It ends with 0 after SIGTERM or SIGINT, with 1 when starting it again does not help (a token that is
used up, a runner that was removed), with 70 when it may.

SIGTERM and SIGINT let attempts end first; a second one ends the runner at once.
`;
}
