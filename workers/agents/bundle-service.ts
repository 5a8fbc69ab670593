/**
 * Sessions taken out and in over the API. A bundle is JSON by lines: what the object of the session
 * writes, then the files that the session has written, by path.
 */
import { z } from "zod";
import { ApiError } from "../http/errors.ts";
import { canonicalJson } from "../http/json.ts";
import { resourceId } from "../runs/address.ts";
import { type Principal, projectFor } from "../security/principal.ts";
import type { SessionClient } from "./client.ts";
import { type AgentService, toCaller } from "./service.ts";
import type { SessionSnapshot } from "./session-port.ts";
import { EMPTY, type Overlay } from "./workspace/overlay.ts";
import type { FileChange } from "./workspace/patch.ts";
import type { SessionRef, WorkspaceStore } from "./workspace/store.ts";

export const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
const READ_ATTEMPTS = 3;
/** Of a fork that goes on from the newest message. */
const NEWEST = Number.MAX_SAFE_INTEGER;
const FILES = "files";

const fileSchema = z.strictObject({
  table: z.literal(FILES),
  /** Null hides a file of the codebase. */
  row: z.strictObject({ path: z.string(), content: z.string().nullable() }),
});
const headerSchema = z.looseObject({ spec: z.looseObject({ name: z.string() }) });

export interface BundleDeps {
  readonly agents: AgentService;
  readonly sessions: Pick<SessionClient, "bundle" | "takeBundle">;
  readonly workspaces: Pick<WorkspaceStore, "overlay" | "text" | "change" | "erase">;
}

export interface ImportOptions {
  readonly project_id: string | undefined;
  /** In place of the name that the session had; null keeps it. */
  readonly name: string | null;
}

export class SessionBundles {
  readonly #deps: BundleDeps;

  constructor(deps: BundleDeps) {
    this.#deps = deps;
  }

  /** The session as a bundle. Throws `illegal_transition` for one at work. */
  async export(principal: Principal, id: string): Promise<Blob> {
    const snapshot = await this.#deps.agents.get(principal, id);
    const { lines, files } = await this.#read(snapshot, null);
    return new Blob([lines, ...files]);
  }

  /** A new session made of a bundle; the same seed again finds it. */
  async import(
    principal: Principal,
    seed: string,
    bundle: string,
    { project_id: asked, name }: ImportOptions,
  ): Promise<SessionSnapshot> {
    const project_id = projectFor(principal, asked);
    const target = { id: resourceId(seed, project_id), project_id };
    return this.#take(principal, target, bundle.trimEnd().split("\n"), name);
  }

  /** A new session that goes on from a message of another, which stays as it is; null for its newest. */
  async fork(
    principal: Principal,
    id: string,
    seed: string,
    { seq, name }: { readonly seq: number | null; readonly name: string | null },
  ): Promise<SessionSnapshot> {
    const snapshot = await this.#deps.agents.get(principal, id);
    const { project_id } = snapshot;
    const target = { id: resourceId(seed, project_id), project_id };
    const { lines, files } = await this.#read(snapshot, seq ?? NEWEST);
    const bundle = [...lines.trimEnd().split("\n"), ...files.map((line) => line.trimEnd())];
    return this.#take(principal, target, bundle, name);
  }

  async #take(
    principal: Principal,
    target: SessionRef,
    lines: readonly string[],
    name: string | null,
  ): Promise<SessionSnapshot> {
    const first = lines.findIndex((line) => line.startsWith(`{"row":{"content"`));
    const files = first < 0 ? [] : readFiles(lines.slice(first), first + 1);
    const [header = "", ...rows] = first < 0 ? lines : lines.slice(0, first);
    const { workspaces, sessions } = this.#deps;
    // Before the session, which finds them when it goes on; one change, made once.
    if (files.length > 0) await workspaces.change(target, "import", files);
    const { by, grants } = toCaller(principal);
    const taken = JSON.stringify({ ...target, caller: { by, grants } });
    const named = name === null ? header : renamed(header, name);
    try {
      return await sessions.takeBundle(target.id, [taken, named, ...rows].join("\n"));
    } catch (error) {
      // A bundle that is refused leaves nothing.
      if (error instanceof ApiError && error.status < 500) await workspaces.erase(target);
      throw error;
    }
  }

  /** Rows and files of one moment. Throws `conflict` when files go on to change meanwhile. */
  async #read(snapshot: SessionSnapshot, seq: number | null) {
    const { id, project_id, parent } = snapshot;
    const { workspaces, sessions } = this.#deps;
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt += 1) {
      // A sub-agent's files are those of all above it.
      const overlay = parent === null ? await workspaces.overlay({ id, project_id }) : EMPTY;
      const lines = await sessions.bundle(id, seq);
      const after = parent === null ? await workspaces.overlay({ id, project_id }) : EMPTY;
      if (canonicalJson(after) !== canonicalJson(overlay)) continue;
      return { lines, files: await this.#files({ id, project_id }, overlay) };
    }
    throw new ApiError(
      "conflict",
      "The session changes its files while they are read. Pause it, or try again.",
    );
  }

  /** A line for each file that the session has written or hidden. */
  async #files(session: SessionRef, overlay: Overlay): Promise<string[]> {
    const lines: string[] = [];
    for (const path of Object.keys(overlay.files).sort()) {
      const content = await this.#deps.workspaces.text(session, overlay, path);
      lines.push(`${canonicalJson({ table: FILES, row: { path, content } })}\n`);
    }
    return lines;
  }
}

/** Throws `validation_failed` with the line; `from` is the number of the first. */
function readFiles(lines: readonly string[], from: number): FileChange[] {
  return lines.map((line, index) => {
    const read = fileSchema.safeParse(parsed(line));
    if (read.success) return read.data.row;
    throw new ApiError("validation_failed", "The bundle is not one of a session.", {
      issues: [{ path: `line ${from + index}`, message: "It is no file of a session." }],
    });
  });
}

/** What is no header is refused by the session. */
function renamed(header: string, name: string): string {
  const read = headerSchema.safeParse(parsed(header));
  if (!read.success) return header;
  return JSON.stringify({ ...read.data, spec: { ...read.data.spec, name } });
}

function parsed(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return value;
  } catch {
    return undefined;
  }
}
