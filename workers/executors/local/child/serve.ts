/** Answers one attempt: gives the code a run to belong to, and the parent a stream of frames. */
import type { ChildRequest } from "../frames.ts";
import { Channel } from "./channel.ts";
import { endWithCaller } from "./lifetime.ts";
import { type Run, within } from "./run.ts";

/** Executes a request inside its run and ends the channel. */
export type Execute = (request: ChildRequest, run: Run) => Promise<void>;

async function executeInRun(execute: Execute, request: ChildRequest, run: Run): Promise<void> {
  try {
    await within(run, () => execute(request, run));
  } catch (error) {
    // A failure of the harness itself must not leave the parent waiting.
    const message = `The local executor failed: ${error instanceof Error ? error.message : error}`;
    run.channel.end(["failed", "error", "harness_failed", message, null, null]);
  }
}

export async function serve(
  request: Request,
  context: ExecutionContext,
  execute: Execute,
): Promise<Response> {
  endWithCaller(request, context);
  const asked: ChildRequest = await request.json();
  const run: Run = {
    channel: new Channel(asked.network),
    environment: { ...asked.environment },
    exit: () => {},
    indent: "",
    counts: new Map(),
    timers: new Map(),
  };
  void executeInRun(execute, asked, run);
  return run.channel.response;
}
