/** Forgets what a deleted skill has done: its invocations, with their runs and what those kept. */
import pMap from "p-map";
import { z } from "zod";
import { ApiError } from "../http/errors.ts";
import type { RunClient } from "../runs/client.ts";

const PER_PAGE = 200;
/** The platform allows six connections at once. */
const MAX_AT_ONCE = 6;

const idsSchema = z.array(z.object({ id: z.string() }));

export class InvocationPurge {
  readonly #database: D1Database;
  readonly #runs: RunClient;

  constructor(database: D1Database, runs: RunClient) {
    this.#database = database;
    this.#runs = runs;
  }

  /** Goes on until none of a skill is left; cut off, it is called again, and goes on where it was. */
  async ofSkill(skillId: string): Promise<void> {
    for (;;) {
      const { results } = await this.#database
        .prepare("SELECT id FROM skill_invocations WHERE skill_id = ? LIMIT ?")
        .bind(skillId, PER_PAGE)
        .all();
      if (results.length === 0) return;
      await this.#forget(idsSchema.parse(results).map(({ id }) => id));
    }
  }

  /** What was told of after its skill had been deleted. */
  async orphans(): Promise<void> {
    const { results } = await this.#database
      .prepare("SELECT invocation_id AS id FROM skill_orphans LIMIT ?")
      .bind(PER_PAGE)
      .all();
    if (results.length > 0) await this.#forget(idsSchema.parse(results).map(({ id }) => id));
  }

  async #forget(ids: readonly string[]): Promise<void> {
    await pMap(ids, (id) => this.#remove(id), { concurrency: MAX_AT_ONCE });
    const json = JSON.stringify(ids);
    const among = "IN (SELECT value FROM json_each(?))";
    await this.#database.batch([
      this.#database.prepare(`DELETE FROM skill_invocations WHERE id ${among}`).bind(json),
      this.#database.prepare(`DELETE FROM skill_orphans WHERE invocation_id ${among}`).bind(json),
    ]);
  }

  /** Cancelled first where it is live; one that is gone already is as it should be. */
  async #remove(id: string): Promise<void> {
    await this.#runs.cancel(id).catch(passOver);
    await this.#runs.remove(id, null).catch(passOver);
  }
}

function passOver(error: unknown): void {
  const codes: readonly string[] = ["not_found", "illegal_transition"];
  if (!(error instanceof ApiError) || !codes.includes(error.code)) throw error;
}
