/** What a session needs before its first turn: its model, its tools, and its instructions. */
import { ApiError } from "../../http/errors.ts";
import type { SessionError } from "../machine/types.ts";
import type { AgentSpec } from "../spec.ts";
import type { ToolHost, WantedTools } from "../tool-port.ts";
import { toolContext } from "./calls.ts";
import type { Setup } from "./documents.ts";
import type { SessionEngine } from "./engine.ts";
import type { SessionModels } from "./ports.ts";
import { sessionErrorOf } from "./steps.ts";

export class Preparation {
  readonly #engine: SessionEngine;
  readonly #models: SessionModels;
  readonly #tools: ToolHost;

  constructor(engine: SessionEngine, models: SessionModels, tools: ToolHost) {
    this.#engine = engine;
    this.#models = models;
    this.#tools = tools;
  }

  /** One that nobody waits for any more changes nothing: the machine refuses its report. */
  async run(epoch: number): Promise<void> {
    const outcome = await this.#prepare().catch(errorOf);
    if ("code" in outcome) {
      this.#engine.tell({ type: "prepare_failed", epoch, error: outcome });
      return;
    }
    this.#engine.commit((now) => {
      if (this.#engine.state.preparing === epoch) this.#engine.setSetup(outcome);
      this.#engine.drive({ type: "prepared", epoch }, now);
    });
  }

  async #prepare(): Promise<Setup> {
    const { head } = this.#engine;
    const { spec, caller } = head;
    const model = this.#models.resolve(spec.model).name;
    const wanted = wantedOf(spec, spec.skills);
    const { setup, ...pinned } = await this.#tools.prepare(toolContext(head, caller), wanted);
    return { model, ...pinned, tools: setup, instructions: instructionsOf(spec) };
  }
}

/** What a session's tools are made of, with its skills as they are to be looked up. */
export function wantedOf(
  { tools, codebase, mcp_servers, outputs }: AgentSpec,
  skills: readonly string[],
): WantedTools {
  return {
    skills,
    tools,
    codebase: codebase === null ? null : JSON.parse(JSON.stringify(codebase)),
    mcp_servers,
    outputs,
  };
}

function errorOf(cause: unknown): SessionError {
  if (!(cause instanceof ApiError)) return sessionErrorOf(cause);
  const issues = cause.issues.map(({ path, message }) => `${path}: ${message}`);
  return { code: cause.code, message: [cause.detail, ...issues].join(" ") };
}

/** The system prompt; null for none. */
export function instructionsOf({ system_prompt, context }: AgentSpec): string | null {
  const parts = system_prompt === null ? [] : [system_prompt];
  if (Object.keys(context).length > 0) {
    parts.push(`What is known of the situation, as JSON:\n${JSON.stringify(context, null, 2)}`);
  }
  return parts.length === 0 ? null : parts.join("\n\n");
}
