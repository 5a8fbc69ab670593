/** What a session takes from above: models, and tools. */
import type { ModelPort, ModelUsage } from "../models/port.ts";
import type { ResolvedModel } from "../models/registry.ts";
import type { SessionObject } from "../session-port.ts";
import type { ToolHost } from "../tool-port.ts";
import type { AssignmentPorts } from "./assignment.ts";

export interface SessionModels extends ModelPort {
  /** The model that a name means, null for the default; throws `ModelError`. */
  resolve(name: string | null): ResolvedModel;
  /** USD of a step; null when it is not known. */
  costOf(usage: ModelUsage, name: string): number | null;
}

export interface SessionPorts {
  models(env: Env): SessionModels;
  tools(env: Env, context: DurableObjectState): ToolHost;
  assignments(env: Env): AssignmentPorts;
  /** Other sessions: those above this one, and those below. */
  sessions(env: Env): (id: string) => Pick<SessionObject, "account" | "poolChanged">;
  /** Sessions at work at once, over the whole deployment. */
  slots(env: Env): number;
}
