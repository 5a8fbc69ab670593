/**
 * Writes calls down in the audit log of their project: every call of an operation that changes
 * something, and every denial. The entry is on disk before the answer leaves.
 */
import { z } from "zod";
import { maySee, type Principal } from "../security/principal.ts";
import { appendEntry } from "./audit-append.ts";
import {
  ANONYMOUS,
  type AnswerParts,
  type AuditActor,
  type Audited,
  type AuditRecord,
  actorOf,
  type Content,
  changesSomething,
  contentOf,
  type Entity,
  entityOf,
  outcomeOf,
  partsOf,
} from "./audit-record.ts";
import type { AppContext } from "./context.ts";
import { asApiError } from "./problem.ts";
import { projectIdSchema } from "./schemas.ts";
import { newSeed } from "./seed.ts";
import { readTrace } from "./trace.ts";

/** A resource, by its id, and the project that it belongs to; null for that of a deployment. */
export interface OwnedResource {
  readonly id: string;
  readonly project_id: string | null;
}

/** Finds what a path names, be it by a name. */
export interface ResourceOwners {
  /**
   * Null for what the principal cannot see, and what cannot be looked up now. `kind` is the first
   * part of the path, such as `tasks`; `projectId` narrows a name that several projects have.
   */
  find(
    principal: Principal,
    kind: string,
    id: string,
    projectId: string | null,
  ): Promise<OwnedResource | null>;
}

declare module "./context.ts" {
  interface Services {
    readonly owners: ResourceOwners;
  }
}

/** What an entry says of the request as such. */
export function requestFields(c: AppContext) {
  const request_id = c.get("requestId");
  const { correlation_id, traceparent } = readTrace(request_id, (name) => c.req.header(name));
  return {
    ...{ method: c.req.method, path: c.get("route") },
    ...{ request_id, correlation_id, traceparent },
  };
}

export interface TrailSpec extends Audited {
  readonly operationId: string;
  readonly path: string;
  readonly sensitive?: boolean;
  readonly private_body?: boolean;
}

/** What a handler answers with; a Response is not looked into. */
type Answered = Response | { readonly body?: unknown };
type Result = Omit<
  AuditRecord,
  keyof Entity | keyof ReturnType<typeof requestFields> | "actor" | "action" | "request"
>;

const projectSchema = z.looseObject({ project_id: z.string().optional() });
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** What a call tells of itself on its way. */
export type CallTrail = Pick<Trail, "callBy" | "begin" | "done">;

/** Follows one call until it is written down. */
class Trail {
  readonly #c: AppContext;
  readonly #spec: TrailSpec;
  readonly #changes: boolean;
  #principal: Principal | null = null;
  /** The body as it was sent. */
  #sent: unknown;
  #isRead = false;
  /** What the path names; undefined before it is looked up. */
  #named: OwnedResource | null | undefined;

  constructor(c: AppContext, spec: TrailSpec) {
    this.#c = c;
    this.#spec = spec;
    this.#changes = changesSomething(spec);
  }

  callBy(principal: Principal): void {
    this.#principal = principal;
  }

  /** The request is valid. What a deletion is of is looked up while it is there. */
  async begin(body: unknown): Promise<void> {
    this.#sent = body;
    this.#isRead = true;
    if (!this.#changes || this.#spec.method !== "delete") return;
    const { entity_id } = this.#entity(null, {});
    if (this.#onlyProject() === null || !UUID.test(entity_id ?? "")) await this.#find();
  }

  /** Writes down what has taken effect. `seed` is the command's id. */
  async done(answered: Answered, response: Response, seed: string): Promise<void> {
    if (!this.#changes) return;
    const body = answered instanceof Response ? undefined : answered.body;
    const answer = partsOf(body);
    const entity = this.#entity(response.headers.get("location"), answer);
    const is_entity = entity.entity_id !== null && answer.id === entity.entity_id;
    await this.#write(await this.#project(answer.project_id ?? null), entity, {
      id: seed,
      is_entity,
      to_state: is_entity ? (answer.state ?? null) : null,
      status: response.status,
      outcome: response.status < 400 ? "success" : "failed",
      error_code: null,
      after: this.#spec.sensitive ? null : contentOf(body),
    });
  }

  /** Writes down a denial, and what has failed of a call that would change something. */
  async refused(thrown: unknown): Promise<void> {
    const error = asApiError(thrown);
    const outcome = outcomeOf(error);
    if (error?.code === "rate_limited" || !(this.#changes || outcome === "denied")) return;
    const entity = this.#entity(null, {});
    const result = {
      ...{ is_entity: false, to_state: null, after: null, outcome },
      status: error?.status ?? 500,
      error_code: error?.code ?? "internal",
    };
    await this.#write(await this.#project(null), entity, { ...result, id: newSeed() });
    const owner = error?.status === 404 ? await this.#foreignOwner() : null;
    if (owner === null) return;
    await this.#write(owner, entity, { ...result, id: newSeed(), outcome: "denied" });
  }

  #entity(location: string | null, answer: AnswerParts): Entity {
    const { path } = this.#spec;
    return entityOf({ location, path, params: this.#c.req.param(), answer });
  }

  /** The project of a resource that the caller may not know of: its owner is told who tried. */
  async #foreignOwner(): Promise<string | null> {
    if (this.#principal === null || this.#principal.projects === "*") return null;
    const found = await this.#lookUp({ ...this.#principal, projects: "*" });
    const owner = found?.project_id ?? null;
    return owner !== null && !maySee(this.#principal, owner) ? owner : null;
  }

  /** What the answer says, else the request, else what the caller is limited to, else what it is about. */
  async #project(answered: string | null): Promise<string | null> {
    if (answered !== null) return answered;
    if (this.#principal === null) return null;
    const said = this.#saidProject();
    if (said !== null && maySee(this.#principal, said)) return said;
    return this.#onlyProject() ?? (await this.#find())?.project_id ?? null;
  }

  #saidProject(): string | null {
    const inBody = projectSchema.safeParse(this.#sent).data?.project_id;
    const { data } = projectIdSchema.safeParse(inBody ?? this.#c.req.query("project_id"));
    return data ?? null;
  }

  #onlyProject(): string | null {
    const projects = this.#principal?.projects ?? "*";
    if (projects === "*" || projects.size !== 1) return null;
    const [only = null] = projects;
    return only;
  }

  async #find(): Promise<OwnedResource | null> {
    if (this.#named === undefined) {
      this.#named = this.#principal && (await this.#lookUp(this.#principal));
    }
    return this.#named;
  }

  async #lookUp(principal: Principal): Promise<OwnedResource | null> {
    const [, kind = ""] = this.#spec.path.split("/");
    const [id] = Object.values(this.#c.req.param());
    if (id === undefined) return null;
    return this.#c.get("services").owners.find(principal, kind, id, this.#saidProject());
  }

  async #write(projectId: string | null, entity: Entity, result: Result): Promise<void> {
    await appendEntry(this.#c.env, projectId, {
      ...requestFields(this.#c),
      ...entity,
      // A deletion by name is of the resource that had it.
      ...(this.#named != null &&
        !UUID.test(entity.entity_id ?? "") && { entity_id: this.#named.id }),
      ...result,
      actor: this.#actor(entity, result),
      action: this.#spec.operationId,
      request: this.#isRead && this.#changes ? this.#request() : null,
    });
  }

  /** Whom nothing is known of but what came of its call is that: a runner that registers. */
  #actor({ entity_type: kind, entity_id: id }: Entity, { outcome }: Result): AuditActor {
    if (this.#principal !== null) return actorOf(this.#principal);
    const isKnown = outcome === "success" && kind !== null && id !== null;
    return isKnown ? { kind, id, name: id } : ANONYMOUS;
  }

  /** A body that holds a secret is left out whole: a digest of it would let one be guessed. */
  #request(): Content {
    const { req } = this.#c;
    const [params, query] = [req.param(), req.query()];
    return contentOf({
      ...(Object.keys(params).length > 0 && { params }),
      ...(Object.keys(query).length > 0 && { query }),
      ...(this.#sent !== undefined && !this.#spec.private_body && { body: this.#sent }),
    });
  }
}

/** Writes down what is refused and what fails. What is done is written down where it is done. */
export async function followed(
  c: AppContext,
  spec: TrailSpec,
  work: (trail: CallTrail) => Promise<Response>,
): Promise<Response> {
  const trail = new Trail(c, spec);
  try {
    return await work(trail);
  } catch (error) {
    await trail.refused(error);
    throw error;
  }
}
