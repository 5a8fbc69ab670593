/** For tests: what the graph is to be, worked out from the service's own answers. */
import { z } from "zod";

const nodeSchema = z.object({
  name: z.string(),
  state: z.string(),
  group: z.string().nullable(),
});
const runGraphSchema = z.object({
  state: z.string(),
  nodes: z.array(nodeSchema),
  edges: z.array(z.object({ from: z.string(), to: z.string() })),
});
const pipelineSchema = z.object({ state: z.string(), run: z.number() });

export const shownSchema = z.object({
  nodes: z.array(
    z.object({
      external_id: z.string(),
      label: z.string(),
      node_type: z.string(),
      properties: z.record(z.string(), z.unknown()),
    }),
  ),
  relationships: z.array(z.string()),
});

/** Nodes as `external id: state`, and relationships as `source type target`, each in order. */
export interface Outline {
  readonly nodes: readonly string[];
  readonly relationships: readonly string[];
}

const outlineOf = (nodes: readonly string[], relationships: readonly string[]): Outline => ({
  nodes: nodes.toSorted(),
  relationships: relationships.toSorted(),
});

/** What VISLZR has of a pipeline. */
export function shownOutline(shown: unknown, pipeline: string): Outline {
  const { nodes, relationships } = shownSchema.parse(shown);
  return outlineOf(
    nodes
      .filter(({ external_id }) => external_id.startsWith(pipeline))
      .map(({ external_id, properties }) => `${external_id}: ${String(properties.state)}`),
    relationships.filter((each) => each.startsWith(pipeline)),
  );
}

/** What it is to have of a pipeline whose runs have all ended, but for agents. */
export async function wantedOutline(
  get: (path: string) => Promise<unknown>,
  pipeline: string,
): Promise<Outline> {
  const at = `/api/v1/pipelines/${pipeline}`;
  const { state, run: runs } = pipelineSchema.parse(await get(at));
  const nodes = [`${pipeline}: ${state}`];
  const relationships: string[] = [];
  for (let run = 1; run <= runs; run += 1) {
    const graph = runGraphSchema.parse(await get(`${at}/runs/${run}/graph`));
    const top = `${pipeline}:${run}`;
    nodes.push(`${top}: ${graph.state}`);
    relationships.push(`${pipeline} contains ${top}`);
    for (const { name, state: its, group } of graph.nodes) {
      nodes.push(`${top}:${name}: ${its}`);
      const above = group === null ? top : `${top}:${group}`;
      relationships.push(`${above} contains ${top}:${name}`);
    }
    for (const { from, to } of graph.edges) {
      relationships.push(`${top}:${to} depends_on ${top}:${from}`);
    }
  }
  return outlineOf(nodes, relationships);
}
