/** What an index keeps, each kind of it in a store of its own over the one database. */
import { BlobStore } from "./storage/blobs.ts";
import { EventLog } from "./storage/events.ts";
import { ProjectLanguages } from "./storage/project-languages.ts";
import { openTables } from "./storage/schema.ts";
import { SnapshotStore } from "./storage/snapshots.ts";
import { SymbolStore } from "./storage/symbols.ts";
import { TreeStore } from "./storage/trees.ts";

export interface Stores {
  readonly sql: SqlStorage;
  readonly blobs: BlobStore;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotStore;
  readonly symbols: SymbolStore;
  readonly events: EventLog;
  readonly languages: ProjectLanguages;
}

export function openStores(sql: SqlStorage): Stores {
  openTables(sql);
  const blobs = new BlobStore(sql);
  const languages = new ProjectLanguages(sql);
  return {
    ...{ sql, blobs, languages },
    trees: new TreeStore(sql, blobs, languages),
    snapshots: new SnapshotStore(sql),
    symbols: new SymbolStore(sql),
    events: new EventLog(sql),
  };
}
