/** The run that the current code belongs to, and what `console` and `process` mean inside it. */
import { AsyncLocalStorage } from "node:async_hooks";
import { formatWithOptions, inspect } from "node:util";
import type { Channel } from "./channel.ts";

export interface Run {
  readonly channel: Channel;
  readonly environment: Record<string, string>;
  /** Ends the run with an exit code, from wherever the code called `process.exit`. */
  exit: (code: number) => void;
  /** The indentation of `console.group`. */
  indent: string;
  readonly counts: Map<string, number>;
  readonly timers: Map<string, number>;
}

const storage = new AsyncLocalStorage<Run>();
const getStore = storage.getStore.bind(storage);
const runIn = storage.run.bind(storage);
const { now } = Date;
const { defineProperty } = Reflect;
const { hasOwn } = Object;
const FORMAT = { depth: 4, maxArrayLength: 100, maxStringLength: null } as const;

/** Runs `work` so that everything it starts is attributed to `run`. */
export function within<T>(run: Run, work: () => T): T {
  return runIn(run, work);
}

/** Thrown by `process.exit` to unwind the caller. */
export class ProcessExit extends Error {
  constructor(code: number) {
    super(`process.exit(${code})`);
    this.name = "ProcessExit";
  }
}

/** Far above what is shown of a message: it is cut once more after secrets have been masked. */
const MAX_DESCRIPTION_CHARS = 256 * 1024;

const MAX_CAUSES = 3;
const FOREIGN_FRAME = /^\s+at .*(harness\.js|node-internal:)/;

/** Hides the mark that the runtime leaves on errors from outside the isolate, such as the egress's. */
function hideRemote(thrown: unknown): void {
  let error = thrown;
  for (let depth = 0; depth <= MAX_CAUSES && error instanceof Error; depth += 1) {
    if (hasOwn(error, "remote")) defineProperty(error, "remote", { enumerable: false });
    error = error.cause;
  }
}

/** Without the frames of the harness; the brace that opens an error's properties stays. */
function withoutForeignFrames(text: string): string {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (!FOREIGN_FRAME.test(line)) lines.push(line);
    else if (line.endsWith(" {") && lines.length > 0) lines.push(`${lines.pop()} {`);
  }
  return lines.join("\n");
}

/** What was thrown, with the stack frames of the task's own code. Never throws. */
export function describe(thrown: unknown): string {
  try {
    hideRemote(thrown);
    const text = inspect(thrown, { depth: 2, maxStringLength: MAX_DESCRIPTION_CHARS });
    return withoutForeignFrames(text).slice(0, MAX_DESCRIPTION_CHARS);
  } catch {
    return "a value that cannot be shown";
  }
}

function write(stream: "stdout" | "stderr", values: unknown[]): void {
  const run = getStore();
  if (run === undefined) return;
  const text = formatWithOptions(FORMAT, ...values);
  const indented = run.indent === "" ? text : text.replaceAll(/^/gm, run.indent);
  run.channel.log(stream, `${indented}\n`);
}

const out = (...values: unknown[]) => write("stdout", values);
const err = (...values: unknown[]) => write("stderr", values);

function elapsed(label: string): string {
  const since = getStore()?.timers.get(label);
  return since === undefined ? `${label}: no such timer` : `${label}: ${now() - since}ms`;
}

const consoleMethods = {
  log: out,
  info: out,
  debug: out,
  warn: err,
  error: err,
  dir: (value: unknown, options?: object) => out(inspect(value, { ...FORMAT, ...options })),
  dirxml: out,
  table: (data: unknown) => out(data),
  trace: (...values: unknown[]) => err(new Error(formatWithOptions(FORMAT, ...values)).stack),
  assert: (condition: unknown, ...values: unknown[]) => {
    if (!condition) err("Assertion failed", ...values);
  },
  group: (...values: unknown[]) => {
    if (values.length > 0) out(...values);
    const run = getStore();
    if (run !== undefined) run.indent += "  ";
  },
  groupEnd: () => {
    const run = getStore();
    if (run !== undefined) run.indent = run.indent.slice(2);
  },
  count: (label = "default") => {
    const counts = getStore()?.counts;
    const count = (counts?.get(label) ?? 0) + 1;
    counts?.set(label, count);
    out(`${label}: ${count}`);
  },
  countReset: (label = "default") => void getStore()?.counts.delete(label),
  time: (label = "default") => void getStore()?.timers.set(label, now()),
  timeLog: (label = "default", ...values: unknown[]) => out(elapsed(label), ...values),
  timeEnd: (label = "default") => {
    out(elapsed(label));
    getStore()?.timers.delete(label);
  },
};

function streamWriter(stream: "stdout" | "stderr") {
  const decoder = new TextDecoder();
  return {
    isTTY: false,
    writable: true,
    write: (data: string | Uint8Array, ...rest: unknown[]) => {
      const text = typeof data === "string" ? data : decoder.decode(data);
      getStore()?.channel.log(stream, text);
      const done = rest.find((argument) => typeof argument === "function");
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    },
  };
}

const environmentOfRun = new Proxy<Record<string, string>>(
  {},
  {
    get: (_, name) => (typeof name === "string" ? getStore()?.environment[name] : undefined),
    has: (_, name) =>
      typeof name === "string" && Object.hasOwn(getStore()?.environment ?? {}, name),
    set: (_, name, value) => {
      const environment = getStore()?.environment;
      if (environment !== undefined && typeof name === "string") environment[name] = String(value);
      return true;
    },
    deleteProperty: (_, name) => {
      const environment = getStore()?.environment;
      if (environment !== undefined && typeof name === "string") delete environment[name];
      return true;
    },
    ownKeys: () => Object.keys(getStore()?.environment ?? {}),
    getOwnPropertyDescriptor: (_, name) => {
      const value = typeof name === "string" ? getStore()?.environment[name] : undefined;
      return value === undefined
        ? undefined
        : { value, writable: true, enumerable: true, configurable: true };
    },
  },
);

function exit(code: unknown = process.exitCode ?? 0): never {
  const exitCode = Number.isInteger(Number(code)) ? Number(code) & 0xff : 1;
  getStore()?.exit(exitCode);
  throw new ProcessExit(exitCode);
}

/** A timer function that reports what its callback throws, which the runtime would only drop. */
function guarded<T extends (...values: never[]) => unknown>(timer: T): T {
  return new Proxy(timer, {
    apply: (target, self, [callback, ...rest]: unknown[]) => {
      if (typeof callback !== "function") return Reflect.apply(target, self, [callback, ...rest]);
      const reporting = (...values: unknown[]) => {
        try {
          return Reflect.apply(callback, undefined, values);
        } catch (error) {
          if (!(error instanceof ProcessExit)) err(`Uncaught in a timer: ${describe(error)}`);
        }
      };
      return Reflect.apply(target, self, [reporting, ...rest]);
    },
  });
}

/** Gives `console` and `process` their per-run meaning; called once, before the task's code loads. */
export function installGlobals(): void {
  Object.assign(console, consoleMethods);
  const properties = {
    env: environmentOfRun,
    stdout: streamWriter("stdout"),
    stderr: streamWriter("stderr"),
    exit,
  };
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(process, name, { value, writable: true, configurable: true });
  }
  globalThis.setTimeout = guarded(globalThis.setTimeout);
  globalThis.setInterval = guarded(globalThis.setInterval);
  addEventListener("unhandledrejection", (event) => {
    err(`Unhandled rejection: ${describe(event.reason)}`);
  });
}
