/** Takes sessions out and in, whole. */
import { ApiError } from "../../http/errors.ts";
import { createSession, isAtRest } from "../machine/machine.ts";
import { wireState } from "../machine/wire.ts";
import type { SessionRefusal, SessionSnapshot } from "../session-port.ts";
import type { ToolHost } from "../tool-port.ts";
import { bundleLines, insertRows, invalidBundle, parsed, readRows } from "./bundle.ts";
import {
  BUNDLE_FORMAT,
  type BundleHeader,
  headerSchema,
  type ImportTarget,
  stateSchema,
} from "./bundle-schema.ts";
import { toolContext } from "./calls.ts";
import { newProgress, type Setup } from "./documents.ts";
import type { SessionEngine } from "./engine.ts";
import { wantedOf } from "./preparation.ts";
import { snapshotOf } from "./snapshot.ts";

export interface Written {
  readonly lines: Iterable<string>;
}

export class Transfer {
  readonly #engine: SessionEngine;
  readonly #storage: DurableObjectStorage;
  readonly #tools: ToolHost;

  constructor(engine: SessionEngine, storage: DurableObjectStorage, tools: ToolHost) {
    this.#engine = engine;
    this.#storage = storage;
    this.#tools = tools;
  }

  /** The session as a bundle, a line a piece; of one at work it would be of no moment. */
  write(): Written | SessionRefusal {
    const { state, progress } = this.#engine;
    const kept = stateSchema.safeParse(state);
    if (!isAtRest(state) || !kept.success) {
      return {
        refused: "illegal",
        state: wireState(state).state,
        allowed: ["pause", "terminate"],
        detail:
          "A session at work cannot be exported. Pause it, or wait for the end of its turn, and for what it called and has not ended.",
      };
    }
    const header = this.#header(kept.data, { ...progress });
    return { lines: bundleLines(this.#storage.sql, header, null) };
  }

  /**
   * A new session that knows what was said up to a message, as a bundle. It has spent nothing, and
   * waits for a message; what was called and not answered by then counts as interrupted.
   */
  fork(through: number): Written | SessionRefusal {
    const { state, progress, setup } = this.#engine;
    const { settings, budget, seed } = state;
    const fresh = createSession({ settings, limits: budget.limits, seed });
    const forked = stateSchema.parse({
      ...fresh,
      phase: setup === null ? "created" : "ready",
      turns: state.turns,
      epoch: state.epoch,
    });
    const changed_seq = Math.min(through, progress.changed_seq);
    const header = this.#header(forked, { ...newProgress(Date.now()), changed_seq });
    return { lines: bundleLines(this.#storage.sql, header, through) };
  }

  /**
   * Takes a bundle in as a new session. Its tools are prepared anew for the caller, by the versions
   * of skills that it had, and with the tools that its MCP servers list now. Throws `ApiError` for what is no bundle, and for what is not to be had.
   */
  async read(target: ImportTarget, lines: readonly string[]): Promise<SessionSnapshot> {
    if (this.#engine.isLoaded) return snapshotOf(this.#engine);
    const [first = "", ...rest] = lines;
    const read = headerSchema.safeParse(parsed(first));
    if (!read.success) {
      const issue = read.error.issues[0];
      const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
      throw invalidBundle(1, `It is no header of a session. ${where}`.trim());
    }
    const rows = readRows(rest);
    const { state, progress, setup, ...header } = read.data;
    const { spec, defaults, created_at } = header;
    const head = { ...target, spec, defaults, created_at, parent: null };
    const prepared = setup === null ? null : await this.#prepare(head, setup);
    // Another request may have been first while this one waited.
    if (this.#engine.isLoaded) return snapshotOf(this.#engine);
    const failure = this.#engine.commit(() => {
      try {
        this.#storage.transactionSync(() =>
          insertRows(this.#storage.sql, rows, JSON.stringify(target.caller)),
        );
      } catch (error) {
        return error;
      }
      this.#engine.adopt(head, state, { ...newProgress(created_at), ...progress }, prepared);
      return null;
    });
    if (failure !== null) throw invalidBundle(2, `Its rows do not fit together: ${failure}`);
    return snapshotOf(this.#engine);
  }

  #header(state: BundleHeader["state"], progress: BundleHeader["progress"]): BundleHeader {
    const { head, setup } = this.#engine;
    return {
      format: BUNDLE_FORMAT,
      spec: head.spec,
      defaults: head.defaults,
      created_at: head.created_at,
      state,
      progress,
      setup: setup === null ? null : shown(setup),
    };
  }

  async #prepare(
    head: SessionEngine["head"],
    setup: NonNullable<BundleHeader["setup"]>,
  ): Promise<Setup> {
    const { spec, caller } = head;
    const pinned = setup.skills.map(({ slug, version }) => `${slug}@${version}`);
    const {
      setup: tools,
      skills,
      mcp_tools,
    } = await this.#tools.prepare(toolContext(head, caller), wantedOf(spec, pinned));
    for (const { slug, digest } of setup.skills) {
      const found = skills.find((skill) => skill.slug === slug);
      if (found?.digest === digest) continue;
      throw new ApiError("validation_failed", "The bundle needs a skill that is another here.", {
        issues: [
          { path: "skills", message: `"${slug}" has the digest ${found?.digest}, not ${digest}.` },
        ],
      });
    }
    return { ...setup, mcp_tools, tools };
  }
}

function shown({ model, skills, instructions }: Setup): BundleHeader["setup"] {
  return { model, instructions, skills: skills.map((skill) => ({ ...skill })) };
}
