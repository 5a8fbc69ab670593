/**
 * Brings a run to VISLZR. While it lives its node and those of its first groups are kept as they are;
 * its steps are made once, when it is over, in parts of a call each.
 */
import { chunks } from "./chunks.ts";
import { containment, type RunGraph } from "./graph.ts";
import { lookForEdges, lookForNodes } from "./look.ts";
import { edgeName, type WantedEdge, type WantedNode } from "./wanted.ts";
import type { Writer } from "./writer.ts";

/** VISLZR answers a call with all that it made. */
const NODES_CALL = {
  count: 500,
  size: 2 * 1024 * 1024,
  sizeOf: (node: WantedNode) => JSON.stringify(node).length,
};
const EDGES_CALL = { count: 1_000, size: 1_000, sizeOf: () => 1 };
/** Groups whose progress is shown while the run lives. */
const LIVE_GROUPS = 20;

export async function writeRun(writer: Writer, pipeline: string, graph: RunGraph): Promise<void> {
  const { ledger } = writer;
  const { run, groups, container } = graph;
  const node = await writer.node(run);
  await writer.edge({ source: pipeline, target: run.external_id, type: "contains" });
  await contain(writer, container, run.external_id);
  await adopt(writer, run.external_id);
  // Those that were begun one by one are brought to their end so.
  const isBegun = ({ external_id }: WantedNode) =>
    ledger.node(external_id) !== null || ledger.isSent(`node:${external_id}`);
  const shown = graph.is_over ? groups.filter(isBegun) : groups.slice(0, LIVE_GROUPS);
  for (const group of shown) {
    await writer.node(group);
    await writer.edge(containment(group, run));
  }
  if (graph.is_over) await new Steps(writer, graph, node.is_found).write();
}

/** Relates what has a container to it, or leaves that to whoever makes the container. */
export async function contain(
  writer: Writer,
  container: string | null,
  externalId: string,
): Promise<void> {
  const { ledger } = writer;
  if (container === null || ledger.isOrphan(container, externalId)) return;
  if (ledger.node(container) === null) ledger.setOrphan(container, externalId);
  else await writer.edge({ source: container, target: externalId, type: "contains" });
}

/** Relates what was there before its container. */
export async function adopt(writer: Writer, container: string): Promise<void> {
  for (const target of writer.ledger.orphans(container)) {
    await writer.edge({ source: container, target, type: "contains" });
  }
}

class Steps {
  readonly #writer: Writer;
  readonly #graph: RunGraph;
  readonly #isSuspect: boolean;
  readonly #ids = new Map<string, string>();

  constructor(writer: Writer, graph: RunGraph, isSuspect: boolean) {
    this.#writer = writer;
    this.#graph = graph;
    this.#isSuspect = isSuspect;
  }

  async write(): Promise<void> {
    const { ledger } = this.#writer;
    const { run, steps, edges } = this.#graph;
    for (const { external_id } of [run, ...steps]) {
      const alone = ledger.node(external_id);
      if (alone !== null) this.#ids.set(external_id, alone.id);
    }
    const nodes = steps.filter(({ external_id }) => !this.#ids.has(external_id));
    for (const [at, part] of chunks(nodes, NODES_CALL)) await this.#writeNodes(at, part);
    const left = edges.filter((edge) => ledger.part(`edge:${edgeName(edge)}`) === null);
    for (const [at, part] of chunks(left, EDGES_CALL)) await this.#writeEdges(at, part);
  }

  async #writeNodes(at: number, nodes: readonly WantedNode[]): Promise<void> {
    const { client, ledger } = this.#writer;
    const key = `nodes:${this.#graph.run.external_id}:${at}`;
    const made = ledger.part(key);
    const ids = await this.#writer.part(key, {
      made,
      is_suspect: this.#isSuspect,
      look: () => lookForNodes(client, nodes, made),
      send: () => client.createAll(nodes),
    });
    for (const [index, id] of ids.entries()) {
      const node = nodes[index];
      if (node !== undefined) this.#ids.set(node.external_id, id);
    }
  }

  async #writeEdges(at: number, edges: readonly WantedEdge[]): Promise<void> {
    const { client, ledger } = this.#writer;
    const key = `edges:${this.#graph.run.external_id}:${at}`;
    const placed = edges.map(({ source, target, type }) => ({
      source_id: this.#idOf(source),
      target_id: this.#idOf(target),
      relationship_type: type,
    }));
    await this.#writer.part(key, {
      made: ledger.part(key),
      is_suspect: this.#isSuspect,
      look: async () => ((await lookForEdges(client, placed)) ? [] : null),
      send: async () => {
        await client.relate(placed);
        return [];
      },
    });
  }

  #idOf(externalId: string): string {
    const id = this.#ids.get(externalId);
    if (id === undefined) throw new RangeError(`there is no node "${externalId}"`);
    return id;
  }
}
