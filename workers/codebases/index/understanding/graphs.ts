/** Graphs of snapshots: worked out once for each tree, kept as long as it is of use. */
import { z } from "zod";
import { type OpenSnapshot, pendingFiles, type SnapshotDeps } from "../reading/pages.ts";
import { deflate, Parts } from "../storage/parts.ts";
import { buildGraph } from "./graph-build.ts";
import { packGraph, type SnapshotGraph, unpackGraph } from "./graph-pack.ts";
import type { Sources } from "./source.ts";

/** Graphs that are stored; the one that was not used for longest goes. */
const KEPT_GRAPHS = 8;
/** Graphs in memory. */
const HELD_GRAPHS = 2;

export interface GraphDeps extends SnapshotDeps {
  readonly sql: SqlStorage;
  readonly sources: Sources;
}

const graphRow = z.object({ id: z.number() });

export class Graphs {
  readonly #deps: GraphDeps;
  readonly #data: Parts;
  readonly #held = new Map<string, SnapshotGraph>();
  #forgotten = 0;
  readonly #building = new Map<string, Promise<SnapshotGraph>>();

  constructor(deps: GraphDeps) {
    this.#deps = deps;
    this.#data = new Parts(deps.sql, "graph_data");
  }

  /** The graph of a snapshot; of what is known of it, while symbols are being read. */
  async of(opened: OpenSnapshot, now: number): Promise<SnapshotGraph> {
    const { root } = opened.row;
    const state = this.#stateOf(opened);
    const known = this.#held.get(state) ?? this.#load(root, now);
    if (known !== null) return known;
    const building = this.#building.get(state) ?? this.#build(opened, state, now);
    this.#building.set(state, building);
    try {
      return await building;
    } finally {
      this.#building.delete(state);
    }
  }

  /** Whether the graph of a whole snapshot is stored. */
  has(root: string): boolean {
    return this.#idOf(root) !== null;
  }

  /** The ranks of a listing's files, 0 for those without a grammar; null when they are not known. */
  ranks({ row, listing }: OpenSnapshot, now: number): FileRanks | null {
    const graph = this.#held.get(row.root) ?? this.#load(row.root, now);
    if (graph === null) return null;
    const ranks = new Float64Array(listing.files.length);
    for (const [node, file] of graph.files.entries()) ranks[file] = graph.ranks[node] ?? 0;
    return { ranks, files: graph.files.length };
  }

  /** Forgets graphs of trees that no snapshot has any more. */
  prune(): void {
    const { sql, snapshots } = this.#deps;
    const live = new Set(snapshots.inState("ready").map(({ root }) => root));
    const rows = z.array(graphRow.extend({ root: z.string() }));
    const known = rows.parse(
      sql.exec("SELECT id, root FROM graphs ORDER BY used_at DESC, id DESC").toArray(),
    );
    for (const [index, { id, root }] of known.entries()) {
      if (live.has(root) && index < KEPT_GRAPHS) continue;
      this.#data.remove(id);
      sql.exec("DELETE FROM graphs WHERE id = ?", id);
      this.#held.delete(root);
    }
  }

  /** Forgets the graph of a tree, whose files are of other languages now. */
  forget(root: string): void {
    this.#forgotten += 1;
    const id = this.#idOf(root);
    this.#held.delete(root);
    if (id === null) return;
    this.#data.remove(id);
    this.#deps.sql.exec("DELETE FROM graphs WHERE id = ?", id);
  }

  /** A whole snapshot never changes; of another, how much is known of it does. */
  #stateOf({ row, listing }: OpenSnapshot): string {
    const { symbols } = this.#deps;
    const pending = pendingFiles(listing, symbols);
    return pending === 0 ? row.root : `${row.root} ${symbols.wordState()}`;
  }

  async #build(opened: OpenSnapshot, state: string, now: number): Promise<SnapshotGraph> {
    const { sources, sql } = this.#deps;
    const { root } = opened.row;
    const forgotten = this.#forgotten;
    const graph = await buildGraph(sources.of(root, opened.listing), this.#deps);
    await this.#deps.yielded();
    // What came meanwhile is not all in it.
    if (this.#stateOf(opened) !== state || this.#forgotten !== forgotten) return graph;
    this.#hold(state, graph);
    if (state !== root) return graph;
    const [row] = sql
      .exec(
        `INSERT INTO graphs (root, used_at) VALUES (?, ?)
         ON CONFLICT (root) DO UPDATE SET used_at = excluded.used_at RETURNING id`,
        root,
        now,
      )
      .toArray();
    this.#data.put(graphRow.parse(row).id, deflate(packGraph(graph)));
    this.prune();
    return graph;
  }

  #load(root: string, now: number): SnapshotGraph | null {
    const id = this.#idOf(root);
    const packed = id === null ? null : this.#data.get(id);
    if (packed === null) return null;
    this.#deps.sql.exec("UPDATE graphs SET used_at = ? WHERE id = ?", now, id);
    const graph = unpackGraph(packed);
    this.#hold(root, graph);
    return graph;
  }

  #hold(state: string, graph: SnapshotGraph): void {
    this.#held.set(state, graph);
    const [oldest] = this.#held.keys();
    if (this.#held.size > HELD_GRAPHS && oldest !== undefined) this.#held.delete(oldest);
  }

  #idOf(root: string): number | null {
    const [row] = this.#deps.sql.exec("SELECT id FROM graphs WHERE root = ?", root).toArray();
    return row === undefined ? null : graphRow.parse(row).id;
  }
}

/** What searches know of the graph. */
export interface FileRanks {
  /** By place in the listing. */
  readonly ranks: Float64Array;
  /** How many files have one. */
  readonly files: number;
}
