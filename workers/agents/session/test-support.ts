/** For tests of sessions: real objects, with models at the fake, and tools that a test scripts. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import type { Json } from "../../http/json.ts";
import { newSeed } from "../../http/seed.ts";
import { resourceId } from "../../runs/address.ts";
import type { ChildReport } from "../../runs/sub-runs.ts";
// Before any object that a test has die: who waits for an import of that one would wait for ever.
import "../models/anthropic.ts";
import "../models/openai-compatible.ts";
import { modelsAt, OPENAI } from "../models/test-support.ts";
import type {
  Caller,
  SendMessage,
  SentMessage,
  SessionCommand,
  SessionRefusal,
  SessionSnapshot,
} from "../session-port.ts";
import { agentSpecSchema } from "../spec.ts";
import type { ToolCall, ToolContext, ToolDefinition, ToolHost, ToolResult } from "../tool-port.ts";
import { followSession } from "./follow.ts";
import { AgentSessionBase } from "./object.ts";
import { sessionAt } from "./request.ts";

export const CALLER: Caller = { by: "key:test", grants: [] };
export const PROJECT = "session-tests";
const SLOTS = 200;
let slots = SLOTS;

/** Slots that there are for the objects that begin from now on. */
export function limitSlots(count: number): void {
  slots = count;
}

/** Commits until the object dies; null for never. */
let commitsLeft: number | null = null;

/** Every run of a tool, by the name of its call. */
export const toolRuns: ToolCall[] = [];

/** What sessions have told the runs that they are steps of. */
export const reports: ChildReport[] = [];

interface Run {
  readonly context: ToolContext;
  readonly call: ToolCall;
}

type Body = (input: Json, signal: AbortSignal, run: Run) => Promise<ToolResult> | ToolResult;

const bodies = new Map<string, Body>();
const tool = (name: string, change: Partial<ToolDefinition> = {}): ToolDefinition => ({
  name,
  description: `The tool ${name}.`,
  input_schema: { type: "object" },
  recovery: "report",
  is_parallel: false,
  kind: "tool",
  ...change,
});

const DEFINITIONS: readonly ToolDefinition[] = [
  tool("act"),
  tool("look", { recovery: "rerun", is_parallel: true }),
  tool("careful", {
    recovery: "ask",
    input_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
  }),
  tool("ask_user", { kind: "input" }),
  tool("remote", { recovery: "attach" }),
  tool("spawn_agent", { recovery: "attach", is_parallel: true }),
];

/** What a tool does from now on; else it answers with its input. */
export function scriptTool(name: string, body: Body): void {
  bodies.set(name, body);
}

export function resetTools(): void {
  bodies.clear();
  toolRuns.length = 0;
  reports.length = 0;
  commitsLeft = null;
  slots = SLOTS;
}

const host: ToolHost = {
  async prepare(_, { skills, tools }) {
    const names = DEFINITIONS.map(({ name }) => name).filter(
      (name) => tools?.includes(name) ?? true,
    );
    return {
      setup: names,
      skills: skills
        .map((named) => named.replace("@1.0.0", ""))
        .map((slug) => ({ slug, version: "1.0.0", digest: `digest of ${slug}` })),
      mcp_tools: [],
    };
  },
  definitions(setup) {
    return DEFINITIONS.filter(({ name }) => Array.isArray(setup) && setup.includes(name));
  },
  async run(context, _setup, call, signal) {
    toolRuns.push(call);
    const body = bodies.get(call.name);
    return body
      ? await body(call.input, signal, { context, call })
      : { output: call.input, is_error: false };
  },
};

/** Has the object that commits die right after its `commits`th commit from now; true when one was to die still. */
export function dieAfter(commits: number | null): boolean {
  const wasToDie = commitsLeft !== null;
  commitsLeft = commits;
  return wasToDie;
}

/** Whether an object is still to die as `dieAfter` was told. */
export const isToDie = () => commitsLeft !== null;

/** Dies as a process would, between what is stored and what follows from it. */
function diesAsTold(context: DurableObjectState): DurableObjectState {
  const { storage } = context;
  const transactionSync = storage.transactionSync.bind(storage);
  const dying = <T>(body: () => T): T => {
    const value = transactionSync(body);
    if (commitsLeft === null) return value;
    commitsLeft -= 1;
    if (commitsLeft > 0) return value;
    commitsLeft = null;
    context.abort("crash");
    throw new Error("crash");
  };
  Object.defineProperty(storage, "transactionSync", { value: dying });
  return context;
}

export class ScriptedSession extends AgentSessionBase {
  constructor(context: DurableObjectState, environment: Env) {
    super(diesAsTold(context), environment, {
      models: () => modelsAt({}, {}),
      tools: () => host,
      assignments: () => ({
        defaults: { max_iterations: 50, timeout_seconds: 60 },
        tell: async (report) => {
          reports.push(report);
        },
      }),
      sessions: () => objectOf,
      slots: () => slots,
    });
  }
}

export const stubOf = (id: string) => env.SCRIPTED_SESSION.getByName(id);
export const objectOf = (id: string) => sessionAt(() => stubOf(id));

/** Events after a seq, those to come included. */
export const follow = (id: string, after: number, signal: AbortSignal) =>
  followSession(
    objectOf(id),
    () => stubOf(id).fetch("https://session/", { headers: { Upgrade: "websocket" } }),
    after,
    signal,
  );

export interface TestSession {
  readonly id: string;
  send(content: string, change?: Partial<SendMessage>): Promise<SentMessage>;
  trySend(content: string, change?: Partial<SendMessage>): Promise<SentMessage | SessionRefusal>;
  command(command: SessionCommand): Promise<SessionSnapshot>;
  read(): Promise<SessionSnapshot>;
  until(expected: Partial<SessionSnapshot>): Promise<SessionSnapshot>;
}

/** A session that waits for its first message. */
export async function ready(spec: Record<string, unknown> = {}): Promise<TestSession> {
  const session = await created(spec);
  await session.command({ type: "initialize" });
  await session.until({ state: "waiting", waiting_for: "message" });
  return session;
}

export async function created(
  spec: Record<string, unknown> = {},
  defaults = { max_iterations: 50, timeout_seconds: 60 },
): Promise<TestSession> {
  const id = resourceId(newSeed(), PROJECT);
  await objectOf(id).create({
    id,
    project_id: PROJECT,
    spec: agentSpecSchema.parse({ name: "test", model: OPENAI, ...spec }),
    caller: CALLER,
    defaults,
    parent: null,
  });
  return sessionOf(id);
}

export function sessionOf(id: string): TestSession {
  const read = async () => accepted(await objectOf(id).read());
  const trySend = (content: string, change: Partial<SendMessage> = {}) =>
    objectOf(id).send({
      id: crypto.randomUUID(),
      content,
      attachments: [],
      policy: "enqueue",
      caller: CALLER,
      wait_ms: 10_000,
      ...change,
    });
  return {
    id,
    trySend,
    read,
    send: async (content, change) => accepted(await trySend(content, change)),
    command: async (command) => accepted(await objectOf(id).command(command, CALLER)),
    until: (expected) =>
      vi.waitFor(
        async () => {
          const snapshot = await read();
          expect(snapshot).toMatchObject(expected);
          return snapshot;
        },
        { timeout: 12_000, interval: 10 },
      ),
  };
}

export function accepted<T extends object>(answer: T): Exclude<T, SessionRefusal> {
  const isAccepted = (given: T): given is Exclude<T, SessionRefusal> => !("refused" in given);
  if (isAccepted(answer)) return answer;
  return expect.fail(`It was refused: ${JSON.stringify(answer)}`);
}

/** Resets the object as a crash would: what it had in memory is gone, what it runs is cut off. */
export async function crash(id: string): Promise<void> {
  await runInDurableObject(stubOf(id), (_, state) => state.abort("crash")).catch(() => undefined);
}

export const words = (...pieces: string[]) => ({ content: [{ type: "text", text: pieces }] });
export const calling = (...calls: readonly (readonly [name: string, input: Json])[]) => ({
  content: calls.map(([name, input]) => ({ type: "tool_call", name, input })),
});
