/** What VISLZR is to have of what is here: nodes and relationships, by their external ids. Pure. */
import type { Json } from "../http/json.ts";

/** Of VISLZR's own types those that are used: a run is an event, an agent an entity. */
export type NodeType = "pipeline" | "task" | "event" | "entity";
export type RelationshipType = "contains" | "depends_on";

export interface WantedNode {
  readonly external_id: string;
  readonly label: string;
  readonly node_type: NodeType;
  /** Empty for none: VISLZR takes nothing away from a node for null. */
  readonly description: string;
  /** What is null is left out. */
  readonly properties: Readonly<Record<string, Json>>;
}

export interface WantedEdge {
  readonly source: string;
  readonly target: string;
  readonly type: RelationshipType;
}

/** External id of a run: `<pipeline>:<number>`. */
export function runName(pipeline: string, run: number): string {
  return `${pipeline}:${run}`;
}

/** External id of a step, a group of a matrix or an item of it: `<pipeline>:<number>:<name>`. */
export function stepName(pipeline: string, run: number, step: string): string {
  return `${pipeline}:${run}:${step}`;
}

/** A relationship in one word, the same for the same. */
export function edgeName({ source, target, type }: WantedEdge): string {
  return `${source}|${type}|${target}`;
}
