/** All that is asked about the symbols of a snapshot, over the stores of one index. */

import type { SnapshotDeps } from "../reading/pages.ts";
import type { BlobStore } from "../storage/blobs.ts";
import { DiffQueries } from "./diff-query.ts";
import { Graphs } from "./graphs.ts";
import { ImportQueries } from "./imports-query.ts";
import { MapQueries } from "./map-query.ts";
import { ReferenceQueries } from "./references-query.ts";
import { Sources } from "./source.ts";
import { SymbolQueries } from "./symbols-query.ts";

export interface UnderstandingDeps extends SnapshotDeps {
  readonly sql: SqlStorage;
  readonly blobs: BlobStore;
}

export class Understanding {
  readonly sources: Sources;
  readonly graphs: Graphs;
  readonly symbols: SymbolQueries;
  readonly references: ReferenceQueries;
  readonly imports: ImportQueries;
  readonly map: MapQueries;
  readonly diff: DiffQueries;

  constructor(deps: UnderstandingDeps) {
    this.sources = new Sources(deps);
    this.graphs = new Graphs({ ...deps, sources: this.sources });
    const shared = { ...deps, sources: this.sources, graphs: this.graphs };
    this.symbols = new SymbolQueries(shared);
    this.references = new ReferenceQueries(shared);
    this.imports = new ImportQueries(shared);
    this.map = new MapQueries(shared);
    this.diff = new DiffQueries(shared);
  }
}
