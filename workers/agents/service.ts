/** Everything that can be done with agents. */
import { ApiError, notFound } from "../http/errors.ts";
import type { Json } from "../http/json.ts";
import type { Page } from "../http/page.ts";
import { couldSee, isNotFound } from "../runs/access.ts";
import { resourceId } from "../runs/address.ts";
import {
  callerOf,
  maySee,
  type Principal,
  projectFor,
  visibleProjects,
} from "../security/principal.ts";
import { attachedTexts, type OpenArtifact } from "./attachments.ts";
import type { SessionClient } from "./client.ts";
import { type AgentFilter, type AgentRow, listAgents } from "./repository.ts";
import { AGENT_KIND } from "./session/row.ts";
import type {
  Caller,
  CreateSession,
  LedgerRow,
  PendingApproval,
  SendMessage,
  SentMessage,
  SessionCommand,
  SessionEventRow,
  SessionMessage,
  SessionSnapshot,
} from "./session-port.ts";
import type { AgentSpec, BudgetSpec } from "./spec.ts";
import { type Span, spansOf } from "./traces/spans.ts";

export interface AgentDeps {
  readonly database: D1Database;
  readonly sessions: SessionClient;
  readonly limits: CreateSession["defaults"];
  /** Why an address is never asked for anything; null when it is. */
  readonly whyRefused: (url: string) => string | null;
  readonly openArtifact: OpenArtifact;
  /** Whether traces tell what was said. */
  readonly traces_with_content: boolean;
  /** Forgets the files that a session has written. */
  readonly eraseWorkspace: (session: { id: string; project_id: string }) => Promise<void>;
}

export interface CreateAgent {
  readonly spec: AgentSpec;
  readonly project_id: string | undefined;
  /** Null creates only; else it is initialized, and so long is waited for that. */
  readonly initialize_wait_ms: number | null;
  /** The session whose call makes it; none unless said. */
  readonly parent?: CreateSession["parent"];
}

export type Send = Pick<SendMessage, "content" | "attachments" | "policy" | "wait_ms">;
export type BudgetChange = { readonly [Name in keyof BudgetSpec]?: BudgetSpec[Name] | undefined };

export type Decision =
  /** With `input` in place of what was asked for, unless it is undefined. */
  | { readonly approved: true; readonly input: Json | undefined }
  | { readonly approved: false; readonly reason: string | null };

/** Events of a session after one, those to come included. */
export type EventFollower = (signal: AbortSignal) => AsyncGenerator<SessionEventRow>;

/** What tells that the preparation of a session has come to its end. */
const INITIALIZED: ReadonlySet<string> = new Set([
  "session.ready",
  "session.failed",
  "session.terminated",
]);

export class AgentService {
  readonly #deps: AgentDeps;

  constructor(deps: AgentDeps) {
    this.#deps = deps;
  }

  async create(principal: Principal, seed: string, input: CreateAgent): Promise<SessionSnapshot> {
    const project_id = projectFor(principal, input.project_id);
    this.#checkServers(input.spec);
    const { sessions, limits } = this.#deps;
    const snapshot = await sessions.create({
      id: resourceId(seed, project_id),
      project_id,
      spec: {
        ...input.spec,
        max_iterations: input.spec.max_iterations ?? limits.max_iterations,
        timeout_seconds: input.spec.timeout_seconds ?? limits.timeout_seconds,
      },
      caller: toCaller(principal),
      defaults: limits,
      parent: input.parent ?? null,
    });
    // A request that is repeated finds it where its first run has brought it.
    if (input.initialize_wait_ms === null || snapshot.state !== "idle") return snapshot;
    return this.#initialize(principal, snapshot.id, input.initialize_wait_ms);
  }

  list(
    principal: Principal,
    { project_id, ...filter }: Omit<AgentFilter, "projects"> & { project_id: string | null },
    page: Page,
  ): Promise<AgentRow[]> {
    const projects = visibleProjects(principal, project_id);
    return listAgents(this.#deps.database, { ...filter, projects }, page);
  }

  async get(principal: Principal, id: string): Promise<SessionSnapshot> {
    this.#guard(principal, id);
    const snapshot = await this.#deps.sessions.read(id);
    if (!maySee(principal, snapshot.project_id)) throw notFound(AGENT_KIND, id);
    return snapshot;
  }

  /** Waits so long for the preparation to end. */
  async initialize(principal: Principal, id: string, wait_ms: number): Promise<SessionSnapshot> {
    await this.#permit(principal, id);
    return this.#initialize(principal, id, wait_ms);
  }

  async send(principal: Principal, id: string, seed: string, message: Send): Promise<SentMessage> {
    await this.#permit(principal, id);
    const { sessions, openArtifact } = this.#deps;
    const attached = await attachedTexts(principal, message.attachments, openArtifact);
    return sessions.send(id, { ...message, attached, id: seed, caller: toCaller(principal) });
  }

  async command(
    principal: Principal,
    id: string,
    command: Exclude<SessionCommand, { type: "initialize" | "budget" | "decide" | "charge" }>,
  ): Promise<SessionSnapshot> {
    await this.#permit(principal, id);
    return this.#command(principal, id, command);
  }

  /** Sets the limits that are named. */
  async changeBudget(
    principal: Principal,
    id: string,
    change: BudgetChange,
  ): Promise<SessionSnapshot> {
    const { budget } = (await this.get(principal, id)).spec;
    const { usd, tokens, steps, seconds, sandbox_seconds } = change;
    return this.#command(principal, id, {
      type: "budget",
      budget: {
        usd: usd === undefined ? budget.usd : usd,
        tokens: tokens === undefined ? budget.tokens : tokens,
        steps: steps === undefined ? budget.steps : steps,
        seconds: seconds === undefined ? budget.seconds : seconds,
        sandbox_seconds: sandbox_seconds === undefined ? budget.sandbox_seconds : sandbox_seconds,
      },
    });
  }

  /** Counts what was used elsewhere; the same seed again counts nothing. */
  async addTokens(
    principal: Principal,
    id: string,
    seed: string,
    used: { readonly input_tokens: number; readonly output_tokens: number; readonly usd: number },
  ): Promise<SessionSnapshot> {
    await this.#permit(principal, id);
    return this.#command(principal, id, { type: "charge", id: seed, ...used });
  }

  async decide(
    principal: Principal,
    id: string,
    call: string,
    decision: Decision,
  ): Promise<SessionSnapshot> {
    await this.#permit(principal, id);
    const { approved } = decision;
    const input = decision.approved ? decision.input : undefined;
    const reason = decision.approved ? null : decision.reason;
    return this.#command(principal, id, { type: "decide", call, approved, input, reason });
  }

  /** Up to `limit` messages after one, oldest first. */
  async messages(
    principal: Principal,
    id: string,
    after: number,
    limit: number,
  ): Promise<readonly SessionMessage[]> {
    await this.#permit(principal, id);
    return this.#deps.sessions.messages(id, after, limit);
  }

  async approvals(principal: Principal, id: string): Promise<readonly PendingApproval[]> {
    await this.#permit(principal, id);
    return this.#deps.sessions.approvals(id);
  }

  async usage(
    principal: Principal,
    id: string,
    after: number,
    limit: number,
  ): Promise<{ readonly snapshot: SessionSnapshot; readonly rows: readonly LedgerRow[] }> {
    const snapshot = await this.get(principal, id);
    return { snapshot, rows: await this.#deps.sessions.ledger(id, after, limit) };
  }

  /** The spans of a turn, of the newest unless said. Throws `not_found` for one that there is not. */
  async spans(principal: Principal, id: string, turn: number | null): Promise<Span[]> {
    const { turns } = await this.get(principal, id);
    if (turns === 0 && turn === null) return [];
    const { spec, ...record } = await this.#deps.sessions.turn(id, turn).catch((error: unknown) => {
      if (isNotFound(error)) throw noTurn(id, turn ?? turns);
      throw error;
    });
    return spansOf({ ...record, agent: { ...spec, id } }, this.#deps.traces_with_content);
  }

  /** Null when the session is terminated and all of it has been told. */
  async events(principal: Principal, id: string, after: number): Promise<EventFollower | null> {
    const { state, seq } = await this.get(principal, id);
    if (state === "terminated" && seq <= after) return null;
    return (signal) => this.#deps.sessions.follow(id, after, signal);
  }

  /** Terminates it, and forgets it with all that it has said and written, its sub-agents first. */
  async remove(principal: Principal, id: string): Promise<void> {
    const { project_id, parent } = await this.get(principal, id);
    const { sessions } = this.#deps;
    await this.#command(principal, id, { type: "terminate" });
    for (const child of await sessions.children(id)) {
      await this.remove(principal, child).catch(ignoreMissing);
    }
    // The files of sub-agents are those of the session above them all.
    const erase = async () => {
      if (parent === null) await this.#deps.eraseWorkspace({ id, project_id });
    };
    // Before the session, so that a deletion that is cut off can be repeated.
    await erase();
    await sessions.remove(id);
    // What a tool was still writing when it was stopped.
    await erase();
  }

  /** Throws `validation_failed` with every server that is never asked. */
  #checkServers({ mcp_servers }: AgentSpec): void {
    const issues = mcp_servers.flatMap(({ url }, index) => {
      const message = this.#deps.whyRefused(url);
      return message === null ? [] : [{ path: `mcp_servers[${index}].url`, message }];
    });
    if (issues.length === 0) return;
    throw new ApiError("validation_failed", "The agent's MCP servers cannot be asked.", { issues });
  }

  async #initialize(principal: Principal, id: string, wait_ms: number): Promise<SessionSnapshot> {
    const begun = await this.#command(principal, id, { type: "initialize" });
    if (begun.state !== "initializing" || wait_ms === 0) return begun;
    const signal = AbortSignal.timeout(wait_ms);
    for await (const { type } of this.#deps.sessions.follow(id, begun.seq, signal)) {
      if (INITIALIZED.has(type)) break;
    }
    return this.#deps.sessions.read(id);
  }

  #command(principal: Principal, id: string, command: SessionCommand): Promise<SessionSnapshot> {
    return this.#deps.sessions.command(id, command, toCaller(principal));
  }

  /** What is done is open to whoever sees the session. */
  async #permit(principal: Principal, id: string): Promise<void> {
    if (principal.projects === "*") this.#guard(principal, id);
    else await this.get(principal, id);
  }

  /** Throws `not_found` for an id that cannot be the caller's, before any object is touched. */
  #guard(principal: Principal, id: string): void {
    if (!couldSee(principal, id)) throw notFound(AGENT_KIND, id);
  }
}

function noTurn(id: string, turn: number): ApiError {
  return new ApiError(
    "not_found",
    `The ${AGENT_KIND} ${id} has no turn ${turn}. Its "turns" says how many it has had.`,
  );
}

function ignoreMissing(error: unknown): void {
  if (!isNotFound(error)) throw error;
}

/** Who acts, as sessions write it down. */
export function toCaller(principal: Principal): Caller {
  const { scopes, trace = null } = principal;
  return { by: callerOf(principal), grants: [...scopes], trace };
}
