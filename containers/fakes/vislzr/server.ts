/**
 * A fake of VISLZR on one port of this machine: nodes, and relationships between them. It asks for no
 * credentials, answers 200 for what it makes, takes the same node twice, and then answers 500 when it
 * is looked up by its external id, as the service does. Its bulk calls make everything or nothing, and
 * look at nothing that is there. `PATCH` replaces whole members and cannot take one away. A type in a
 * filter that there is not is 500. Not there: canvases and exploration.
 *
 * `GET /__graph` answers the whole graph.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  type Answer,
  type Asked,
  detail,
  type FakeService,
  startFakeService,
  unprocessable,
} from "../platform/service.ts";
import { type Graph, graphOf } from "./graph.ts";

const NODE_TYPES = [
  ...(["entity", "concept", "document", "person", "organization", "event", "location"] as const),
  ...(["project", "task", "idea", "hypothesis", "pipeline", "custom"] as const),
] as const;
const RELATIONSHIP_TYPES = [
  ...(["related_to", "parent_of", "child_of", "depends_on", "blocks", "contains"] as const),
  ...(["references", "similar_to", "derived_from", "supports", "contradicts"] as const),
  ...(["implements", "uses", "custom"] as const),
] as const;

const json = z.record(z.string(), z.unknown());
const label = z.string().min(1).max(255);
const position = z.object({ x: z.number().default(0), y: z.number().default(0) });

const nodeSchema = z.object({
  label,
  node_type: z.enum(NODE_TYPES).default("entity"),
  description: z.string().nullish(),
  external_id: z.string().nullish(),
  source_service: z.string().nullish(),
  position: position.nullish(),
  properties: json.nullish(),
  extra_data: json.nullish(),
});
const changeSchema = z.object({
  label: label.nullish(),
  description: z.string().nullish(),
  node_type: z.enum(NODE_TYPES).nullish(),
  position: position.nullish(),
  is_pinned: z.boolean().nullish(),
  is_hidden: z.boolean().nullish(),
  properties: json.nullish(),
  extra_data: json.nullish(),
});
const relationshipSchema = z.object({
  source_id: z.string(),
  target_id: z.string(),
  relationship_type: z.enum(RELATIONSHIP_TYPES).default("related_to"),
  label: z.string().nullish(),
  description: z.string().nullish(),
  weight: z.number().min(0).max(1).default(1),
  extra_data: json.nullish(),
});
const listSchema = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  offset: z.coerce.number().int().min(0).default(0),
});
const directionSchema = z.enum(["incoming", "outgoing", "both"]).default("both");

export interface Node {
  readonly id: string;
  readonly label: string;
  readonly node_type: string;
  readonly description: string | null;
  readonly external_id: string | null;
  readonly source_service: string | null;
  readonly position: { readonly x: number; readonly y: number };
  readonly is_hidden: boolean;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly extra_data: Readonly<Record<string, unknown>>;
}
export type Relationship = Readonly<
  z.output<typeof relationshipSchema> & { id: string; extra_data: object }
>;

export interface FakeVislzr extends FakeService {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly relationships: ReadonlyMap<string, Relationship>;
  /** What there is, by external ids. */
  graph(): Graph;
}

class Vislzr {
  /** In the order in which they were made. */
  readonly nodes = new Map<string, Node>();
  readonly relationships = new Map<string, Relationship>();

  reset(): void {
    this.nodes.clear();
    this.relationships.clear();
  }

  create({ body }: Asked): Answer {
    const sent = nodeSchema.safeParse(body);
    return sent.success ? ok(this.#add(sent.data)) : unprocessable(sent.error);
  }

  bulk({ body }: Asked): Answer {
    const sent = z.object({ nodes: z.array(nodeSchema) }).safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const nodes = sent.data.nodes.map((each) => this.#add(each));
    return ok({ nodes, count: nodes.length });
  }

  #add({ properties, extra_data, position: at, ...sent }: z.output<typeof nodeSchema>): Node {
    const node = {
      ...{ id: randomUUID(), label: sent.label, node_type: sent.node_type, is_hidden: false },
      description: sent.description ?? null,
      external_id: sent.external_id ?? null,
      source_service: sent.source_service ?? null,
      position: at ?? { x: 0, y: 0 },
      ...{ properties: properties ?? {}, extra_data: extra_data ?? {} },
    };
    this.nodes.set(node.id, node);
    return node;
  }

  get({ parameters: [id = ""] }: Asked): Answer {
    const node = this.nodes.get(id);
    return node === undefined ? NO_NODE : ok(node);
  }

  external({ parameters: [externalId = ""], query }: Asked): Answer {
    const service = query.get("source_service");
    const [node, ...more] = [...this.nodes.values()].filter(
      ({ external_id, source_service }) =>
        external_id === externalId && (service === null || service === source_service),
    );
    // Its query wants one row at most.
    if (more.length > 0) return detail(500, "Internal Server Error");
    return node === undefined ? NO_NODE : ok(node);
  }

  list({ query }: Asked): Answer {
    const range = listSchema.safeParse(Object.fromEntries(query));
    if (!range.success) return unprocessable(range.error);
    const types = typesIn(query.get("node_types"), NODE_TYPES);
    if (types === "unknown") return detail(500, "Internal Server Error");
    const service = query.get("source_service");
    const found = [...this.nodes.values()]
      .toReversed()
      .filter(
        ({ source_service, node_type, is_hidden }) =>
          (service === null || service === source_service) &&
          (types === null || types.includes(node_type)) &&
          (!is_hidden || query.get("include_hidden") === "true"),
      );
    const { offset, limit } = range.data;
    const nodes = found.slice(offset, offset + limit);
    return ok({ nodes, count: nodes.length });
  }

  update({ parameters: [id = ""], body }: Asked): Answer {
    const sent = changeSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const node = this.nodes.get(id);
    if (node === undefined) return NO_NODE;
    const given = Object.entries(sent.data).filter(([, value]) => (value ?? null) !== null);
    const changed = { ...node, ...Object.fromEntries(given) };
    this.nodes.set(id, changed);
    return ok(changed);
  }

  remove({ parameters: [id = ""] }: Asked): Answer {
    if (!this.nodes.delete(id)) return NO_NODE;
    for (const [key, { source_id, target_id }] of this.relationships) {
      if (source_id === id || target_id === id) this.relationships.delete(key);
    }
    return ok({ deleted: true, node_id: id });
  }

  relate({ body }: Asked): Answer {
    const sent = relationshipSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    if (!this.nodes.has(sent.data.source_id)) return detail(404, "Source node not found");
    if (!this.nodes.has(sent.data.target_id)) return detail(404, "Target node not found");
    return ok(this.#relate(sent.data));
  }

  relateBulk({ body }: Asked): Answer {
    const sent = z.object({ relationships: z.array(relationshipSchema) }).safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const relationships = sent.data.relationships.map((each) => this.#relate(each));
    return ok({ relationships, count: relationships.length });
  }

  #relate(sent: z.output<typeof relationshipSchema>): Relationship {
    const made = { id: randomUUID(), ...sent, extra_data: sent.extra_data ?? {} };
    this.relationships.set(made.id, made);
    return made;
  }

  related({ parameters: [id = ""], query }: Asked): Answer {
    const direction = directionSchema.safeParse(query.get("direction") ?? undefined);
    if (!direction.success) return unprocessable(direction.error);
    const types = typesIn(query.get("relationship_types"), RELATIONSHIP_TYPES);
    if (types === "unknown") return detail(500, "Internal Server Error");
    const relationships = [...this.relationships.values()].filter(
      ({ source_id, target_id, relationship_type }) =>
        ((direction.data !== "incoming" && source_id === id) ||
          (direction.data !== "outgoing" && target_id === id)) &&
        (types === null || types.includes(relationship_type)),
    );
    return ok({ relationships, count: relationships.length });
  }

  unrelate({ parameters: [id = ""] }: Asked): Answer {
    if (!this.relationships.delete(id)) return detail(404, "Relationship not found");
    return ok({ deleted: true, relationship_id: id });
  }
}

const NO_NODE = detail(404, "Node not found");
const ok = (body: unknown): Answer => ({ status: 200, body });

/** Null for no filter. */
function typesIn(list: string | null, known: readonly string[]) {
  if (list === null || list === "") return null;
  const types = list.split(",").map((each) => each.trim());
  return types.every((each) => known.includes(each)) ? types : ("unknown" as const);
}

/** Starts a fake and resolves once it listens. */
export async function startFakeVislzr(
  options: { readonly port?: number } = {},
): Promise<FakeVislzr> {
  const service = new Vislzr();
  const graph = () => graphOf(service.nodes, service.relationships);
  const nodes = "/api/v1/nodes";
  const server = await startFakeService({
    ...options,
    reset: () => service.reset(),
    shown: { "/__graph": graph },
    routes: {
      "GET /health": () => ok({ status: "healthy", service: "VISLZR", version: "1.0.0" }),
      [`POST ${nodes}`]: (asked) => service.create(asked),
      [`GET ${nodes}`]: (asked) => service.list(asked),
      [`POST ${nodes}/bulk`]: (asked) => service.bulk(asked),
      [`GET ${nodes}/external/{external_id}`]: (asked) => service.external(asked),
      [`GET ${nodes}/{id}`]: (asked) => service.get(asked),
      [`PATCH ${nodes}/{id}`]: (asked) => service.update(asked),
      [`DELETE ${nodes}/{id}`]: (asked) => service.remove(asked),
      [`POST ${nodes}/relationships`]: (asked) => service.relate(asked),
      [`POST ${nodes}/relationships/bulk`]: (asked) => service.relateBulk(asked),
      [`GET ${nodes}/{id}/relationships`]: (asked) => service.related(asked),
      [`DELETE ${nodes}/relationships/{id}`]: (asked) => service.unrelate(asked),
    },
  });
  return { ...server, nodes: service.nodes, relationships: service.relationships, graph };
}
