/** The tools of a session as tests call them: against the real services of the environment. */
import { env } from "cloudflare:workers";
import type { Json } from "../../http/json.ts";
import { newSeed } from "../../http/seed.ts";
import { resourceId } from "../../runs/address.ts";
import { DEFAULT_PROJECT, SCOPES, type Scope } from "../../security/principal.ts";
import { sessionToolsOf } from "../../services.ts";
import { agentSpecSchema, type ResultSchema } from "../spec.ts";
import type { ToolContext, ToolResult, ToolSetup, WantedTools } from "../tool-port.ts";
import type { SessionTools } from "./host.ts";

const SPEC = agentSpecSchema.parse({ name: "test", model: "operator" });

export interface SessionOptions {
  readonly skills?: readonly string[];
  readonly tools?: readonly string[] | null;
  readonly codebase?: Json;
  readonly outputs?: ResultSchema | null;
  readonly mcp_servers?: WantedTools["mcp_servers"];
  readonly grants?: readonly Scope[];
  /** Variables over those of the environment. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Sessions above it, the nearest first. */
  readonly above?: readonly string[];
}

export class TestSession {
  readonly id = resourceId(newSeed(), DEFAULT_PROJECT);
  readonly host: SessionTools;
  readonly #options: SessionOptions;
  #setup: ToolSetup = null;
  #calls = 0;

  constructor(options: SessionOptions = {}) {
    this.#options = options;
    this.host = sessionToolsOf({ ...env, ...options.variables });
  }

  get context(): ToolContext {
    const { grants = SCOPES, above = [] } = this.#options;
    const caller = { by: "dev_key:dev", grants };
    return { session_id: this.id, project_id: DEFAULT_PROJECT, caller, spec: SPEC, above };
  }

  /** As `initialize` does. */
  async prepare(): Promise<this> {
    const {
      skills = [],
      tools = null,
      codebase = null,
      outputs = null,
      mcp_servers = [],
    } = this.#options;
    const prepared = await this.host.prepare(this.context, {
      skills,
      tools,
      codebase,
      outputs,
      mcp_servers,
    });
    // The object keeps it as text.
    this.#setup = JSON.parse(JSON.stringify(prepared.setup));
    return this;
  }

  get definitions() {
    return this.host.definitions(this.#setup);
  }

  get names(): string[] {
    return this.definitions.map(({ name }) => name);
  }

  /** The same `key` is the same call, run again. */
  call(
    name: string,
    input: Json,
    { key = `call-${++this.#calls}`, signal = new AbortController().signal } = {},
    grants: readonly Scope[] | null = null,
  ): Promise<ToolResult> {
    const context =
      grants === null ? this.context : { ...this.context, caller: { by: "api_key:small", grants } };
    return this.host.run(context, this.#setup, { key, turn: 1, name, input }, signal);
  }
}
