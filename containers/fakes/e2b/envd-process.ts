/** envd's `process.Process` service. */
import { stat } from "node:fs/promises";
import { z } from "zod";
import {
  answerStream,
  answerUnary,
  RpcError,
  type RpcStream,
  timeoutOf,
  withoutZeros,
} from "./connect-rpc.ts";
import type { Exchange } from "./exchange.ts";
import type { Faults } from "./faults.ts";
import type { Ended, Sandbox } from "./sandbox.ts";
import { expandPath, HOMES } from "./sandbox-paths.ts";
import type { EndEvent, Listener, SandboxProcess } from "./sandbox-process.ts";

const DEFAULT_KEEPALIVE_SECONDS = 90;

const startSchema = z.object({
  process: z.object({
    cmd: z.string().min(1),
    args: z.array(z.string()).default([]),
    envs: z.record(z.string(), z.string()).default({}),
    cwd: z.string().optional(),
  }),
  pty: z.unknown().optional(),
  tag: z.string().optional(),
  /** Older clients do not say, and expect one. */
  stdin: z.boolean().default(true),
});
type StartMessage = z.output<typeof startSchema>;

const selectorSchema = z.object({ pid: z.int().optional(), tag: z.string().optional() });
type Selector = z.output<typeof selectorSchema>;

const selectSchema = z.object({ process: selectorSchema.default({}) });
const signalSchema = selectSchema.extend({
  signal: z.union([z.string(), z.int()]).default("SIGNAL_UNSPECIFIED"),
});
const inputSchema = selectSchema.extend({
  input: z.object({ stdin: z.base64().optional(), pty: z.base64().optional() }).default({}),
});
const updateSchema = selectSchema.extend({ pty: z.unknown().optional() });

const SIGNALS: Readonly<Record<string, "SIGTERM" | "SIGKILL">> = {
  SIGNAL_SIGTERM: "SIGTERM",
  SIGNAL_SIGKILL: "SIGKILL",
  15: "SIGTERM",
  9: "SIGKILL",
};

/** The last one with a tag, since a tag may be given again. */
function select<T extends { readonly pid: number; readonly tag: string | undefined }>(
  all: ReadonlyMap<number, T>,
  { pid, tag }: Selector,
): T | undefined {
  if (pid !== undefined) return all.get(pid);
  if (tag === undefined) throw new RpcError("unimplemented", "a process is named by pid or tag");
  return [...all.values()].findLast((process) => process.tag === tag);
}

function find(sandbox: Sandbox, selector: Selector): SandboxProcess {
  const process = select(sandbox.processes, selector);
  if (process) return process;
  const { pid, tag } = selector;
  const name = pid === undefined ? `tag ${tag}` : `pid ${pid}`;
  throw new RpcError("not_found", `there is no process with ${name}`);
}

const startEvent = (pid: number) => ({ event: { start: { pid } } });
const endEvent = (end: EndEvent) => ({ event: { end: withoutZeros({ ...end }) } });

/** Sends what a process writes from now on, until it ends or the client goes, which it survives. */
function follow(exchange: Exchange, process: SandboxProcess, stream: RpcStream): void {
  const asked = Number(exchange.header("keepalive-ping-interval"));
  const seconds = Number.isInteger(asked) && asked > 0 ? asked : DEFAULT_KEEPALIVE_SECONDS;
  const keepalive = setInterval(
    () => void stream.send({ event: { keepalive: {} } }),
    seconds * 1_000,
  );
  const listener: Listener = {
    output(name, chunk) {
      keepalive.refresh();
      return stream.send({ event: { data: { [name]: chunk.toString("base64") } } });
    },
    end(event) {
      stream.send(endEvent(event));
      stream.end();
    },
  };
  process.listen(listener);
  exchange.response.once("close", () => {
    clearInterval(keepalive);
    process.unlisten(listener);
  });
  const timeoutMs = timeoutOf(exchange);
  const expire = () => stream.end(new RpcError("deadline_exceeded", "the deadline has passed"));
  if (timeoutMs > 0) stream.after(timeoutMs, expire);
}

async function start(
  exchange: Exchange,
  sandbox: Sandbox,
  user: string,
  { process: config, pty, tag, stdin }: StartMessage,
  stream: RpcStream,
): Promise<void> {
  if (pty !== undefined) throw new RpcError("unimplemented", "this envd has no terminals");
  const timeoutMs = timeoutOf(exchange);
  const cwd = await sandbox.paths.follow(expandPath(config.cwd ?? "", HOMES[user] ?? "/"));
  const isFolder = await stat(cwd.host).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new RpcError("invalid_argument", `the cwd '${cwd.path}' is no directory`);
  const options = { user, cwd: cwd.path, tag, stdin, timeoutMs };
  const process = await sandbox.start(config, options).catch((error: unknown) => {
    throw new RpcError("invalid_argument", `the process cannot be started: ${error}`);
  });
  stream.send(startEvent(process.pid));
  follow(exchange, process, stream);
  process.begin();
}

function connect(
  exchange: Exchange,
  sandbox: Sandbox,
  selector: Selector,
  stream: RpcStream,
): void {
  const ended: Ended | undefined = select(sandbox.processes, selector)
    ? undefined
    : select(sandbox.ended, selector);
  if (ended) {
    stream.send(startEvent(ended.pid));
    stream.send(endEvent(ended.end));
    stream.end();
    return;
  }
  const process = find(sandbox, selector);
  stream.send(startEvent(process.pid));
  follow(exchange, process, stream);
}

async function sendInput(
  sandbox: Sandbox,
  { process: selector, input }: z.output<typeof inputSchema>,
): Promise<object> {
  const process = find(sandbox, selector);
  if (input.pty !== undefined) throw new RpcError("internal", "the process has no terminal");
  if (input.stdin === undefined) throw new RpcError("unimplemented", "the input is of no kind");
  if (await process.writeStdin(Buffer.from(input.stdin, "base64"))) return {};
  throw new RpcError("internal", "the process has no input, or has closed it");
}

function list(sandbox: Sandbox): object {
  const processes = [...sandbox.processes.values()].map(({ pid, tag, config }) =>
    withoutZeros({ config: withoutZeros({ ...config }), pid, tag }),
  );
  return withoutZeros({ processes });
}

/** Answers a call of the service; false when it has no such method. */
export async function answerProcessCall(
  method: string,
  exchange: Exchange,
  sandbox: Sandbox,
  user: string,
  faults: Faults,
): Promise<boolean> {
  const drop = () => faults.takeDrop();
  switch (method) {
    case "Start":
      await answerStream(exchange, startSchema, drop, (message, stream) =>
        start(exchange, sandbox, user, message, stream),
      );
      return true;
    case "Connect":
      await answerStream(exchange, selectSchema, drop, async (message, stream) =>
        connect(exchange, sandbox, message.process, stream),
      );
      return true;
    case "List":
      await answerUnary(exchange, z.object({}), () => list(sandbox));
      return true;
    case "SendInput":
      await answerUnary(exchange, inputSchema, (message) => sendInput(sandbox, message));
      return true;
    case "SendSignal":
      await answerUnary(exchange, signalSchema, ({ process, signal }) => {
        const target = find(sandbox, process);
        const name = SIGNALS[signal];
        if (!name) throw new RpcError("unimplemented", `${signal} cannot be sent`);
        target.signal(name);
        return {};
      });
      return true;
    case "CloseStdin":
      await answerUnary(exchange, selectSchema, ({ process }) => {
        find(sandbox, process).closeStdin();
        return {};
      });
      return true;
    case "Update":
      await answerUnary(exchange, updateSchema, ({ process, pty }) => {
        find(sandbox, process);
        if (pty !== undefined) throw new RpcError("internal", "the process has no terminal");
        return {};
      });
      return true;
    default:
      return false;
  }
}
