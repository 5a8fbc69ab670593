/** Keeps the files that sessions write in the blob store. */
import { ApiError } from "../../http/errors.ts";
import { contentDigest } from "../../security/hash.ts";
import {
  changeProblem,
  EMPTY,
  fileAt,
  type Overlay,
  overlayProblem,
  overlaySchema,
  type StoredChange,
  withChanges,
} from "./overlay.ts";
import type { FileChange } from "./patch.ts";

export interface SessionRef {
  readonly id: string;
  readonly project_id: string;
}

/** Changes of one session at the same time that are made one after the other. */
const MAX_TURNS = 10;

export class WorkspaceStore {
  readonly #blobs: R2Bucket;

  constructor(blobs: R2Bucket) {
    this.#blobs = blobs;
  }

  async overlay(session: SessionRef): Promise<Overlay> {
    return (await this.#read(session)).overlay;
  }

  /** Null for a file that the session has not written, or has deleted. */
  async text(session: SessionRef, overlay: Overlay, path: string): Promise<string | null> {
    const file = fileAt(overlay, path) ?? null;
    if (file === null) return null;
    const object = await this.#blobs.get(blobKey(session, file.sha256));
    if (object !== null) return object.text();
    throw new ApiError("unavailable", "The file is not to be had from the blob store. Try again.");
  }

  /**
   * Makes all of the changes, or throws `validation_failed` and makes none. The same key again makes
   * none, and is answered with what is there.
   */
  async change(session: SessionRef, key: string, changes: readonly FileChange[]): Promise<Overlay> {
    const issues = changes.flatMap((change) => {
      const message = changeProblem(change);
      return message === null ? [] : [{ path: change.path, message }];
    });
    if (issues.length > 0)
      throw new ApiError("validation_failed", "Nothing was written.", { issues });
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const { overlay, etag } = await this.#read(session);
      if (overlay.done.includes(key)) return overlay;
      const changed = withChanges(overlay, key, changes.map(toStored));
      const problem = overlayProblem(changed);
      if (problem !== null) throw new ApiError("validation_failed", problem);
      await this.#keep(session, changes);
      // The list is swapped at once, so that a crash leaves all of the changes or none.
      const written = await this.#blobs.put(listKey(session), JSON.stringify(changed), {
        onlyIf: etag === null ? { etagDoesNotMatch: "*" } : { etagMatches: etag },
      });
      if (written !== null) return changed;
    }
    throw new ApiError("conflict", "Other changes came between. Read the file again and repeat.");
  }

  async erase(session: SessionRef): Promise<void> {
    for (;;) {
      const { objects } = await this.#blobs.list({ prefix: prefixOf(session) });
      if (objects.length === 0) return;
      await this.#blobs.delete(objects.map(({ key }) => key));
    }
  }

  async #read(session: SessionRef): Promise<{ overlay: Overlay; etag: string | null }> {
    const object = await this.#blobs.get(listKey(session));
    if (object === null) return { overlay: EMPTY, etag: null };
    return { overlay: overlaySchema.parse(await object.json()), etag: object.etag };
  }

  async #keep(session: SessionRef, changes: readonly FileChange[]): Promise<void> {
    for (const { content } of changes) {
      if (content !== null) await this.#blobs.put(blobKey(session, digestOf(content)), content);
    }
  }
}

function toStored({ path, content }: FileChange): StoredChange {
  if (content === null) return { path, file: null };
  return { path, file: { sha256: digestOf(content), bytes: Buffer.byteLength(content) } };
}

function digestOf(content: string): string {
  return contentDigest(Buffer.from(content));
}

/** All that a session has written lies under it. */
function prefixOf({ id, project_id }: SessionRef): string {
  return `sessions/${project_id}/${id}/workspace/`;
}

function listKey(session: SessionRef): string {
  return `${prefixOf(session)}files.json`;
}

/** Files are named by the content that they have. */
function blobKey(session: SessionRef, sha256: string): string {
  return `${prefixOf(session)}blobs/${sha256}`;
}
