/**
 * Brings single nodes and relationships to VISLZR, and parts of a graph in one call each.
 *
 * VISLZR makes what it is asked for however often it is asked. So whatever is made is noted before it
 * is sent, and again when it is answered; what was sent and not answered is looked for before it is
 * sent again. A node that is not known is looked up by its external id first in any case.
 */
import pMap from "p-map";
import { NeighbourFailed } from "../delivery/neighbour.ts";
import type { VislzrClient } from "./client.ts";
import { digestOf } from "./digest.ts";
import type { KnownNode, Ledger } from "./ledger.ts";
import { CALLS_AT_ONCE, lookForEdges } from "./look.ts";
import { edgeName, type WantedEdge, type WantedNode } from "./wanted.ts";

/** A delivery has taken long enough, and goes on with the next. */
export class OutOfTime extends Error {}

export interface WriterOptions {
  readonly client: VislzrClient;
  readonly ledger: Ledger;
  /** ms since 1970 after which nothing new is begun. */
  readonly ends_at: number;
  /** When what was sent and not answered is looked for once more, in ms. */
  readonly late_ms: number;
  /** Parts that are looked for though they were made: what was sent twice may be there twice. */
  readonly checked: ReadonlySet<string>;
}

export class Writer {
  readonly client: VislzrClient;
  readonly ledger: Ledger;
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.client = options.client;
    this.ledger = options.ledger;
    this.#options = options;
  }

  /** Throws `OutOfTime` when nothing more is to be begun. */
  goOn(): void {
    if (Date.now() > this.#options.ends_at) throw new OutOfTime();
  }

  /** The node is there, and is as it is wanted. */
  async node(wanted: WantedNode): Promise<KnownNode> {
    this.goOn();
    const { external_id } = wanted;
    const key = `node:${external_id}`;
    const digest = digestOf(wanted);
    const isChecked = this.#options.checked.has(key);
    const known = this.ledger.node(external_id);
    if (known !== null && !isChecked) {
      if (known.digest === digest || (await this.#update(known.id, wanted))) {
        return this.#keep(external_id, { ...known, digest });
      }
      this.ledger.forgetNode(external_id);
    }
    const wasSent = this.ledger.isSent(key);
    if (wasSent) this.#noteLate(key);
    const found = await this.#find(external_id, known);
    if (found !== null && (await this.#update(found, wanted))) {
      const isFound = known?.is_found ?? !wasSent;
      return this.#keep(external_id, { id: found, digest, is_found: isFound });
    }
    this.ledger.setSent(key);
    const id = await this.client.create(wanted);
    return this.#keep(external_id, { id, digest, is_found: false });
  }

  /** The relationship is there, of nodes that are known. */
  async edge(wanted: WantedEdge): Promise<void> {
    const source = this.ledger.node(wanted.source);
    const target = this.ledger.node(wanted.target);
    if (source === null || target === null) return;
    const key = `edge:${edgeName(wanted)}`;
    const ends = [source.id, target.id];
    const made = this.ledger.part(key);
    const isMade = made?.[0] === source.id && made[1] === target.id;
    const edge = { source_id: source.id, target_id: target.id, relationship_type: wanted.type };
    await this.part(key, {
      made: isMade ? made : null,
      // Of a node that was there its relationships may be there too.
      is_suspect: target.is_found,
      look: async () => ((await lookForEdges(this.client, [edge])) ? ends : null),
      send: async () => {
        await this.client.relate([edge]);
        return ends;
      },
    });
  }

  /**
   * What a part is made of is there once. `look` tells it, and puts right what is there in part or
   * twice; null when nothing of it is there, and it is sent.
   */
  async part(
    key: string,
    {
      made,
      is_suspect,
      look,
      send,
    }: {
      readonly made: readonly string[] | null;
      readonly is_suspect: boolean;
      readonly look: () => Promise<readonly string[] | null>;
      readonly send: () => Promise<readonly string[]>;
    },
  ): Promise<readonly string[]> {
    const isChecked = this.#options.checked.has(key);
    if (made !== null && !isChecked) return made;
    this.goOn();
    const wasSent = this.ledger.isSent(key);
    if (wasSent) this.#noteLate(key);
    const found = wasSent || is_suspect || isChecked ? await look() : null;
    if (found === null) return this.#make(key, send);
    this.ledger.setPart(key, found);
    return found;
  }

  async #make(key: string, send: () => Promise<readonly string[]>): Promise<readonly string[]> {
    this.ledger.setSent(key);
    const made = await send();
    this.ledger.setPart(key, made);
    return made;
  }

  /** What was sent may take effect after it was looked for. */
  #noteLate(key: string): void {
    this.ledger.noteLate(key, Date.now() + this.#options.late_ms);
  }

  #keep(externalId: string, node: KnownNode): KnownNode {
    this.ledger.setNode(externalId, node);
    this.ledger.answered(`node:${externalId}`);
    return node;
  }

  async #update(id: string, wanted: WantedNode): Promise<boolean> {
    try {
      return await this.client.update(id, wanted);
    } catch (error) {
      // One that takes effect later would undo what is told in between.
      if (error instanceof NeighbourFailed && error.status === null) {
        this.#noteLate(`node:${wanted.external_id}`);
      }
      throw error;
    }
  }

  /** The id of the one node of that name, after others were taken away; null for none. */
  async #find(externalId: string, known: KnownNode | null): Promise<string | null> {
    const found = await this.client.find(externalId);
    if (found !== "doubled") return found?.id ?? null;
    const all = await this.client.nodes(({ external_id }) => external_id === externalId);
    const kept = all.find(({ id }) => id === known?.id) ?? all.at(-1);
    await this.removeAll(all.flatMap(({ id }) => (id === kept?.id ? [] : [id])));
    return kept?.id ?? null;
  }

  async removeAll(ids: readonly string[]): Promise<void> {
    await pMap(ids, (id) => this.client.remove(id), { concurrency: CALLS_AT_ONCE });
  }
}
