/** Answers one attempt: gives the code a run to belong to, and the parent a stream of frames. */
import { gunzipSync } from "node:zlib";
import { type TreeEntry, TreeReader } from "../../tree-archive.ts";
import { type ChildRequest, REQUEST_HEADER, TREE_HEADER } from "../frames.ts";
import { Channel } from "./channel.ts";
import { endWithCaller } from "./lifetime.ts";
import { type Run, within } from "./run.ts";
import type { SkillGateway } from "./task-context.ts";

/** What the parent asks, with the tree that came with it, and what it gives besides. */
export interface Asked {
  readonly request: ChildRequest;
  readonly tree: readonly TreeEntry[];
  readonly skills: SkillGateway | null;
}

/** What the parent gives one attempt, and no other in the same isolate. */
export interface ChildProps {
  readonly skills: SkillGateway | null;
}

/** Executes a request inside its run and ends the channel. */
export type Execute = (asked: Asked, run: Run) => Promise<void>;

async function executeInRun(execute: Execute, asked: Asked, run: Run): Promise<void> {
  try {
    await within(run, () => execute(asked, run));
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
const { arrayBuffer } = Request.prototype;
const decoder = new TextDecoder();
const decode = decoder.decode.bind(decoder);
const gunzip = gunzipSync;
const headersOf = Reflect.getOwnPropertyDescriptor(Request.prototype, "headers")?.get;

/** By what was captured while the harness started: code that ran before may have replaced the rest. */
async function read(request: Request): Promise<Omit<Asked, "skills">> {
  const headers = headersOf === undefined ? request.headers : apply(headersOf, request, []);
  const header = apply(get, headers, [REQUEST_HEADER]);
  if (header !== null) return { request: parse(header), tree: [] };
  const jsonBytes = apply(get, headers, [TREE_HEADER]);
  if (jsonBytes === null) return { request: await apply(json, request, []), tree: [] };
  const body = new Uint8Array(await apply(arrayBuffer, request, []));
  const asked: ChildRequest = parse(decode(body.subarray(0, Number(jsonBytes))));
  return { request: asked, tree: entriesOf(gunzip(body.subarray(Number(jsonBytes)))) };
}

/** Contents are views of the archive, so that no file is copied before it is read. */
function entriesOf(archive: Uint8Array): TreeEntry[] {
  const reader = new TreeReader();
  // Of a plain array: `slice` of a Buffer would copy nothing.
  const plain = new Uint8Array(archive.buffer, archive.byteOffset, archive.byteLength);
  const entries = [...reader.push(plain)];
  reader.end();
  return entries;
}

export async function serve(
  request: Request,
  context: ExecutionContext<ChildProps>,
  execute: Execute,
): Promise<Response> {
  endWithCaller(request, context);
  const { skills } = context.props;
  const asked = { ...(await read(request)), skills };
  const { network, environment } = asked.request;
  const run: Run = {
    channel: new Channel(network),
    environment: { ...environment },
    exit: () => {},
    indent: "",
    counts: new Map(),
    timers: new Map(),
  };
  void executeInRun(execute, asked, run);
  return run.channel.response;
}
