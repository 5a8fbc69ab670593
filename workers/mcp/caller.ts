/** Who calls, and what a call can reach. */
import { z } from "zod";
import type { Config } from "../config.ts";
import { requestFields } from "../http/audit.ts";
import { appendEntry } from "../http/audit-append.ts";
import { type AuditRecord, actorOf } from "../http/audit-record.ts";
import type { AppContext, Services } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { withIdempotency } from "../http/idempotency.ts";
import { projectIdSchema } from "../http/schemas.ts";
import { newSeed } from "../http/seed.ts";
import { type Principal, projectFor } from "../security/principal.ts";

const PROJECT_HEADER = "x-pipelzr-project";
const PROJECT_PARAMETER = "project_id";

export interface Caller {
  /** Of the chosen project alone, whatever else the caller may see. */
  readonly principal: Principal;
  readonly project_id: string;
  readonly services: Services;
  readonly config: Config;
  readonly request_id: string;
  /** Of the endpoint; cursors are bound to its path. */
  readonly url: string;
  /**
   * Runs `work` with a seed to make ids of: the same one whenever a request with the same
   * Idempotency-Key says the same. Throws `idempotency_mismatch` and `idempotency_in_progress`.
   */
  once<Outcome>(said: unknown, work: (seed: string) => Promise<Outcome>): Promise<Outcome>;
  /** Writes a call down in the project's audit log. */
  record(entry: CallEntry): Promise<void>;
}

/** What an entry says beside who called, and by which request. */
export type CallEntry = Omit<AuditRecord, "id" | "actor" | keyof ReturnType<typeof requestFields>>;

/** Throws `validation_failed` when it is open which of several projects is meant. */
export function toCaller(c: AppContext, principal: Principal): Caller {
  const project_id = projectFor(principal, chosenProject(c));
  let command: string | null = null;
  return {
    principal: { ...principal, projects: new Set([project_id]) },
    project_id,
    services: c.get("services"),
    config: c.get("config"),
    request_id: c.get("requestId"),
    url: c.req.url,
    once: (said, work) =>
      once(c, principal, said, (seed) => {
        command = seed;
        return work(seed);
      }),
    record: (entry) =>
      appendEntry(c.env, project_id, {
        ...requestFields(c),
        ...entry,
        id: entry.outcome === "success" ? (command ?? newSeed()) : newSeed(),
        actor: actorOf(principal),
      }),
  };
}

async function once<Outcome>(
  c: AppContext,
  principal: Principal,
  said: unknown,
  work: (seed: string) => Promise<Outcome>,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  // Nothing is kept but the seed: what was begun is found by it, and told as it stands by then.
  await withIdempotency(c, { principal, body: said, sensitive: true }, async (seed) => {
    resolve(await work(seed));
    return new Response(null);
  });
  return promise;
}

const chosenSchema = z.object({ project_id: projectIdSchema.optional() });

/** The project that a request names. Throws `validation_failed` for what is none, and for two. */
export function chosenProject(c: AppContext): string | undefined {
  const header = c.req.header(PROJECT_HEADER);
  const parameter = c.req.query(PROJECT_PARAMETER);
  if (header !== undefined && parameter !== undefined && header !== parameter) {
    const message = `It is not what the header ${PROJECT_HEADER} says. Send one of the two.`;
    throw invalidProject(message);
  }
  const { data, error } = chosenSchema.safeParse({ project_id: header ?? parameter });
  if (error) throw invalidProject(error.issues[0]?.message ?? "It is no project id.");
  return data.project_id;
}

function invalidProject(message: string): ApiError {
  return new ApiError("validation_failed", "The project is not valid.", {
    issues: [{ path: `query.${PROJECT_PARAMETER}`, message }],
  });
}
