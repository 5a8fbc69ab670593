/** `Container.withExec`: runs a command once, and says what the container is after it. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Call } from "./call.ts";
import { type ContainerState, expand, homeOf, identityOf } from "./container.ts";
import type { QueryContext } from "./context.ts";
import { cancelled, EngineError, ExecError } from "./errors.ts";
import { type PreparedContainer, prepareContainer } from "./exec-container.ts";
import { OutputCapture } from "./exec-output.ts";
import { runProcess } from "./exec-process.ts";
import type { Outcome } from "./execs.ts";
import { DEFAULT_PATH } from "./images.ts";
import { Lines } from "./progress.ts";
import { moveIntoPlace } from "./snapshots.ts";
import { newSpanId } from "./telemetry.ts";
import { locate } from "./view.ts";

const optionsSchema = z.object({
  args: z.array(z.string()),
  useEntrypoint: z.boolean().nullish(),
  stdin: z.string().nullish(),
  redirectStdin: z.string().nullish(),
  redirectStdout: z.string().nullish(),
  redirectStderr: z.string().nullish(),
  expect: z.enum(["SUCCESS", "FAILURE", "ANY"]).default("SUCCESS"),
  expand: z.boolean().nullish(),
});
type ExecOptions = z.output<typeof optionsSchema>;

/** Codes from 128 to 191 are those of signals; no expectation allows them. */
export function isExpected(exitCode: number, expect: ExecOptions["expect"]): boolean {
  if (expect === "SUCCESS") return exitCode === 0;
  if (exitCode >= 128 && exitCode <= 191) return false;
  return expect === "ANY" || exitCode !== 0;
}

export async function execute(
  call: Call,
  state: ContainerState,
  context: QueryContext,
): Promise<ContainerState> {
  const { execs } = context.engine;
  const options = optionsSchema.parse(call.arguments);
  const command = commandOf(state, options);
  const done = execs.completed(call.cacheKey);
  if (done !== null) {
    context.session.progress.step(titleOf(command), ".withExec").end("CACHED");
    return stateAfter(state, done);
  }
  const outcome = await execs.join(call.cacheKey, context.signal, (signal) =>
    run(call, state, options, command, context, signal),
  );
  return stateAfter(state, outcome);
}

function titleOf(command: readonly string[]): string {
  return `.withExec(args: ${JSON.stringify(command)})`;
}

function commandOf(state: ContainerState, options: ExecOptions): readonly string[] {
  const args = options.args.length > 0 ? options.args : state.defaultArgs;
  const command = [
    ...(options.useEntrypoint === true ? state.entrypoint : []),
    ...args.map((arg) => expand(state, arg, options.expand)),
  ];
  if (command.length === 0) throw new EngineError("no command has been set");
  return command;
}

function stateAfter(state: ContainerState, outcome: Outcome): ContainerState {
  const { exitCode, directory } = outcome;
  return {
    ...state,
    rootfs: join(directory, "rootfs"),
    mounts: state.mounts.map((mount) => {
      const output = outcome.mounts[mount.path];
      const isOutput = mount.kind === "directory" || mount.kind === "file";
      return isOutput && output !== undefined
        ? { ...mount, source: join(directory, output) }
        : mount;
    }),
    lastExec: { exitCode, directory },
  };
}

/** All that a command finds in its environment. */
async function environmentOf(
  state: ContainerState,
  uid: number,
  context: QueryContext,
): Promise<ReadonlyMap<string, string>> {
  const secrets = [...state.secretVariables].map(([name, secret]): [string, string] => [
    name,
    context.session.secrets.plaintext(secret).toString("utf8"),
  ]);
  return new Map([
    ["PATH", DEFAULT_PATH],
    ["HOME", await homeOf(state, uid)],
    ...state.environment,
    ...state.volatileVariables,
    ...secrets,
  ]);
}

/** Everything that a command can show must not show these. */
function secretsOf(state: ContainerState, context: QueryContext): readonly Buffer[] {
  const mounted = state.mounts.flatMap((mount) => (mount.kind === "secret" ? [mount.secret] : []));
  return [...state.secretVariables.values(), ...mounted].map((secret) =>
    context.session.secrets.plaintext(secret),
  );
}

async function run(
  call: Call,
  state: ContainerState,
  options: ExecOptions,
  command: readonly string[],
  context: QueryContext,
  signal: AbortSignal,
): Promise<Outcome> {
  const { engine, session, trace } = context;
  if (state.image === null) {
    throw new EngineError(
      `exec: ${JSON.stringify(command[0])}: executable file not found in $PATH`,
    );
  }
  const span = { traceId: trace.traceId, spanId: newSpanId() };
  const user = await identityOf(state, state.user || "0");
  const environment = await environmentOf(state, user.uid, context);
  const secrets = secretsOf(state, context);
  const container = await prepareContainer(state, context);
  const step = session.progress.step(titleOf(command), ".withExec");
  const endSpan = session.telemetry.startExec(trace, span, call.digest);
  let files: Redirections = {};
  try {
    const stdin = await stdinOf(container, state, options);
    files = await openRedirections(container, state, options);
    const output = new OutputCapture(container.directory, secrets, files, {
      first: () => context.reached("output"),
      text: (stream, text, end) => session.telemetry.log(span, stream, text, end),
      lines: { stdout: new Lines(step.line), stderr: new Lines(step.line) },
    });
    const huge = engine.faults.takeHugeOutput();
    if (huge !== null) output.fill(huge.stream, huge.bytes);
    const exitCode = await runProcess({
      ...{ container, command, environment, user, stdin, output, signal },
      started: () => context.reached("exec"),
    }).finally(() => output.end());
    if (signal.aborted) throw cancelled();
    if (!isExpected(exitCode, options.expect)) {
      throw failure(container.directory, command, exitCode, span);
    }
    const mounts = await container.finish();
    const outcome = JSON.stringify({ exitCode, mounts });
    await writeFile(join(container.directory, "outcome.json"), outcome);
    await moveIntoPlace(container.directory, engine.execs.path(call.cacheKey));
    step.end("DONE");
    endSpan(exitCode);
    // An engine on the same state may have been first; then its outcome is the one that stays.
    const kept = engine.execs.completed(call.cacheKey);
    if (kept === null) throw new EngineError("the outcome of a command is gone");
    return kept;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    step.end("ERROR", message);
    const code = error instanceof ExecError ? Number(error.extensions.exitCode) : -1;
    endSpan(code, message);
    await rm(container.directory, { recursive: true, force: true });
    throw error;
  } finally {
    container.release();
    for (const file of [files.stdout, files.stderr]) if (file !== undefined) closeSync(file);
  }
}

function failure(
  directory: string,
  command: readonly string[],
  exitCode: number,
  span: { readonly traceId: string; readonly spanId: string },
): ExecError {
  return new ExecError(`exit code: ${exitCode} [traceparent:${span.traceId}-${span.spanId}]`, {
    ...{ command, exitCode },
    stdout: readFileSync(join(directory, "stdout")),
    stderr: readFileSync(join(directory, "stderr")),
  });
}

async function redirection(
  container: PreparedContainer,
  state: ContainerState,
  options: ExecOptions,
  path: string,
): Promise<string> {
  const wanted = expand(state, path, options.expand);
  const absolute = wanted.startsWith("/") ? wanted : `${state.workdir}/${wanted}`;
  return (await locate(container.view, absolute)).hostPath;
}

interface Redirections {
  readonly stdout?: number;
  readonly stderr?: number;
}

/** Files of the container that get a copy of a stream, open for writing. */
async function openRedirections(
  container: PreparedContainer,
  state: ContainerState,
  options: ExecOptions,
): Promise<Redirections> {
  const open = async (path: string | null | undefined) =>
    path ? openSync(await redirection(container, state, options, path), "w", 0o600) : undefined;
  const [stdout, stderr] = [await open(options.redirectStdout), await open(options.redirectStderr)];
  return { ...(stdout !== undefined && { stdout }), ...(stderr !== undefined && { stderr }) };
}

async function stdinOf(
  container: PreparedContainer,
  state: ContainerState,
  options: ExecOptions,
): Promise<Buffer | null> {
  if (options.redirectStdin) {
    if (options.stdin) throw new EngineError("cannot set redirect stdin path when stdin is set");
    return readFileSync(await redirection(container, state, options, options.redirectStdin));
  }
  return options.stdin ? Buffer.from(options.stdin) : null;
}
