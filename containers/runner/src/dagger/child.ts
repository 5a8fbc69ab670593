/**
 * The process of one attempt: holds its engine session by a CLI of its own, and ends with it. It ends
 * on SIGTERM, and when the runner is gone; the engine ends what a session executes together with it.
 */
import process from "node:process";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import { runAttempt } from "./attempt.ts";
import { type FromChild, type Job, toChildSchema } from "./protocol.ts";
import { loadSdk } from "./sdk.ts";
import { NoSession, openSession, type Session } from "./session.ts";

const send = (message: FromChild) =>
  new Promise<void>((resolve) => {
    if (!process.connected) return resolve();
    process.send?.(message, undefined, undefined, () => resolve());
  });

const stopping = new AbortController();
let session: Session | null = null;
let quiet = () => {};
let isQuiet = false;

/** Ends the process, and the session before it. */
async function end(): Promise<void> {
  await session?.close();
  process.exit(0);
}

function stop(): void {
  if (stopping.signal.aborted) return;
  stopping.abort();
  // While a session opens, its opening is what ends the process.
  if (session !== null) void end();
}

function variables(): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (typeof value === "string") all[name] = value;
  }
  return all;
}

async function run(job: Job): Promise<FromChild> {
  try {
    const [opened, sdk] = await Promise.all([
      openSession({
        cli: job.cli,
        folder: job.folder,
        environment: variables(),
        timeoutMs: job.connect_timeout_ms,
        signal: stopping.signal,
      }),
      loadSdk(),
    ]);
    session = opened;
    if (stopping.signal.aborted) throw new NoSession("It was stopped when an engine answered.");
    const report = await runAttempt(job, opened, sdk, {
      log: (entries) => void send({ type: "log", entries }),
      quietable: (make) => {
        quiet = make;
        if (isQuiet) quiet();
      },
    });
    return { type: "ended", report };
  } catch (error) {
    if (error instanceof AttemptFailed) {
      const { reason, code, message } = error.outcome;
      return { type: "failed", reason, code, message };
    }
    if (error instanceof NoSession) {
      return { type: "failed", reason: "lost", code: "engine_unreachable", message: error.message };
    }
    throw error;
  }
}

process.on("SIGTERM", stop);
process.on("disconnect", stop);
process.on("message", (value: unknown) => {
  const message = toChildSchema.parse(value);
  if (message.type === "quiet") {
    isQuiet = true;
    quiet();
    return;
  }
  void run(message.job).then(async (last) => {
    if (!stopping.signal.aborted) await send(last);
    await end();
  });
});
