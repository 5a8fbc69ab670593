/** Answers one attempt: gives the code a run to belong to, and the parent a stream of frames. */
import { type ChildRequest, REQUEST_HEADER } from "../frames.ts";
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

const { parse } = JSON;
const { apply } = Reflect;
const { get } = Headers.prototype;
const json: (this: Request) => Promise<ChildRequest> = Request.prototype.json;
const headersOf = Reflect.getOwnPropertyDescriptor(Request.prototype, "headers")?.get;

/** By what was captured while the harness started: code that ran before may have replaced the rest. */
function read(request: Request): ChildRequest | Promise<ChildRequest> {
  const headers = headersOf === undefined ? request.headers : apply(headersOf, request, []);
  const header = apply(get, headers, [REQUEST_HEADER]);
  return header === null ? apply(json, request, []) : parse(header);
}

export async function serve(
  request: Request,
  context: ExecutionContext,
  execute: Execute,
): Promise<Response> {
  endWithCaller(request, context);
  const asked: ChildRequest = await read(request);
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
