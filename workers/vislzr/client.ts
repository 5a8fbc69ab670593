/** VISLZR's HTTP interface, as far as it is used. Ids are its own. */
import { z } from "zod";
import { type Neighbour, NeighbourFailed } from "../delivery/neighbour.ts";
import type { Json } from "../http/json.ts";
import type { RelationshipType, WantedNode } from "./wanted.ts";

export const SOURCE_SERVICE = "pipelzr";
const NODES = "/api/v1/nodes";
/** Its own limit. */
const NODES_PER_PAGE = 500;
/** No more is looked through for what was lost. */
const MAX_PAGES = 100;

const nodeSchema = z.object({
  id: z.string(),
  external_id: z.string().nullable().catch(null),
});
export type FoundNode = z.output<typeof nodeSchema>;
const listSchema = z.object({ nodes: z.array(nodeSchema) });
const relationshipSchema = z.object({
  id: z.string(),
  source_id: z.string(),
  target_id: z.string(),
  relationship_type: z.string(),
});
export type FoundRelationship = z.output<typeof relationshipSchema>;
const relationshipsSchema = z.object({ relationships: z.array(relationshipSchema) });

export interface NewRelationship {
  readonly source_id: string;
  readonly target_id: string;
  readonly relationship_type: RelationshipType;
}

/** Throws `NeighbourFailed` for what comes to nothing. */
export class VislzrClient {
  readonly #neighbour: Neighbour;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  /** `headers` go with each call. */
  constructor(
    neighbour: Neighbour,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) {
    this.#neighbour = neighbour;
    this.#headers = headers;
    this.#signal = signal;
  }

  /** The id of a node; null for none, and `doubled` where there are several, which it fails over. */
  async find(externalId: string): Promise<{ readonly id: string } | null | "doubled"> {
    const query = new URLSearchParams({ source_service: SOURCE_SERVICE });
    const path = `${NODES}/external/${encodeURIComponent(externalId)}?${query}`;
    try {
      const { status, body } = await this.#call("GET", path);
      return status === 404 ? null : this.#parsed(nodeSchema, body, path);
    } catch (error) {
      if (!(error instanceof NeighbourFailed) || error.status !== 500) throw error;
      const found = await this.nodes(({ external_id }) => external_id === externalId);
      if (found.length > 1) return "doubled";
      throw error;
    }
  }

  /** All nodes of this service that are wanted, newest first. */
  async nodes(isWanted: (node: FoundNode) => boolean): Promise<FoundNode[]> {
    const found = new Map<string, FoundNode>();
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = new URLSearchParams({
        ...{ source_service: SOURCE_SERVICE, include_hidden: "true" },
        ...{ limit: String(NODES_PER_PAGE), offset: String(page * NODES_PER_PAGE) },
      });
      const { nodes } = await this.#read("GET", `${NODES}?${query}`, listSchema);
      for (const node of nodes) if (isWanted(node)) found.set(node.id, node);
      if (nodes.length < NODES_PER_PAGE) break;
    }
    return [...found.values()];
  }

  async create(node: WantedNode): Promise<string> {
    return (await this.#read("POST", NODES, nodeSchema, toBody(node))).id;
  }

  /** Makes all of them or none; returns their ids in their order. */
  async createAll(nodes: readonly WantedNode[]): Promise<readonly string[]> {
    const path = `${NODES}/bulk`;
    const made = await this.#read("POST", path, listSchema, { nodes: nodes.map(toBody) });
    const ids = new Map(made.nodes.map(({ id, external_id }) => [external_id, id]));
    return nodes.map(({ external_id }) => {
      const id = ids.get(external_id);
      if (id !== undefined) return id;
      const message = `VISLZR answered POST ${path} without the node "${external_id}".`;
      throw new NeighbourFailed(message, { scope: "entity" });
    });
  }

  /** False when there is no such node any more. */
  async update(id: string, { external_id: _, ...change }: WantedNode): Promise<boolean> {
    return (await this.#call("PATCH", `${NODES}/${id}`, { ...change })).status !== 404;
  }

  /** One that is not there is gone. */
  async remove(id: string): Promise<void> {
    await this.#call("DELETE", `${NODES}/${id}`);
  }

  /** Relationships that begin at a node. */
  async relationshipsFrom(id: string): Promise<readonly FoundRelationship[]> {
    const path = `${NODES}/${id}/relationships?direction=outgoing`;
    return (await this.#read("GET", path, relationshipsSchema)).relationships;
  }

  /** Makes all of them or none. */
  async relate(relationships: readonly NewRelationship[]): Promise<void> {
    const body = { relationships: relationships.map((each) => ({ ...each })) };
    await this.#read("POST", `${NODES}/relationships/bulk`, relationshipsSchema, body);
  }

  async unrelate(id: string): Promise<void> {
    await this.#call("DELETE", `${NODES}/relationships/${id}`);
  }

  #call(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: Json) {
    const request = { method, path, headers: this.#headers, signal: this.#signal };
    return this.#neighbour.call({ ...request, ...(body !== undefined && { body }) });
  }

  async #read<Schema extends z.ZodType>(
    method: "GET" | "POST",
    path: string,
    schema: Schema,
    body?: Json,
  ): Promise<z.output<Schema>> {
    const request = { method, path, headers: this.#headers, signal: this.#signal };
    return this.#neighbour.read({ ...request, ...(body !== undefined && { body }) }, schema);
  }

  #parsed<Schema extends z.ZodType>(schema: Schema, body: unknown, path: string) {
    const read = schema.safeParse(body);
    if (read.success) return read.data;
    const message = `VISLZR answered GET ${path} in another shape than it documents.`;
    throw new NeighbourFailed(message, { scope: "entity" });
  }
}

function toBody(node: WantedNode): Json {
  return { ...node, source_service: SOURCE_SERVICE };
}
