/**
 * A fake of CommandCentral on one port of this machine: projects, the state tracker, the audit log,
 * behind its tokens. It answers as the service does, what it does wrong included: reading a project,
 * and listing them, is 500 unless it is `patched`; the audit log has no write endpoint (405) unless
 * one is `audit_writable`; a transition that is not allowed is 200 with `success: false`.
 * Not there: registration and login of users, decisions, transitions of projects.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  type Answer,
  type Asked,
  detail,
  type FakeService,
  startFakeService,
  unprocessable,
} from "../platform/service.ts";
import { allowedFrom, STATE_MACHINES } from "./machines.ts";
import { type Claims, issueToken, readToken } from "./tokens.ts";

export const FAKE_SECRET = "fake-commandcentral-0f8b1d6a4c2e9375";
const MAX_PAGE = 100;

const createSchema = z.object({
  name: z.string(),
  description: z.string().nullish(),
  repo_path: z.string().nullish(),
  repo_url: z.string().nullish(),
});
export type NewProject = z.input<typeof createSchema> & {
  readonly id?: string;
  readonly owner_id: string;
  readonly team_ids?: readonly string[];
};

const registerSchema = z.object({
  entity_type: z.string(),
  entity_id: z.string(),
  service: z.string(),
  initial_state: z.string().nullish(),
  project_id: z.string().nullish(),
});
const transitionSchema = z.object({ to_state: z.string(), rationale: z.string().nullish() });
const switchesSchema = z.strictObject({
  patched: z.boolean().optional(),
  audit_writable: z.boolean().optional(),
});
export type Switches = z.input<typeof switchesSchema>;

export interface Tracked {
  readonly entity_type: string;
  readonly entity_id: string;
  readonly service: string;
  readonly project_id: string | null;
  current_state: string;
  allowed_transitions: readonly string[];
}

type Project = ReturnType<typeof newProject>;

export interface FakeCommandCentralOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly secret?: string | undefined;
  /** Reading projects works. */
  readonly patched?: boolean;
}

export interface FakeCommandCentral extends FakeService {
  readonly secret: string;
  /** Entries that were written to the audit log, and those that the tracker wrote. */
  readonly audit: readonly Readonly<Record<string, unknown>>[];
  readonly tracked: ReadonlyMap<string, Tracked>;
  token(sub: string, roles?: readonly string[], more?: Readonly<Record<string, unknown>>): string;
  /** Adds a project; returns its id. */
  project(project: NewProject): string;
  configure(switches: Switches): void;
}

class CommandCentral {
  readonly projects = new Map<string, Project>();
  readonly tracked = new Map<string, Tracked>();
  readonly audit: Record<string, unknown>[] = [];
  readonly #secret: string;
  readonly #isPatched: boolean;
  #switches: { patched: boolean; audit_writable: boolean };

  constructor(secret: string, isPatched: boolean) {
    this.#secret = secret;
    this.#isPatched = isPatched;
    this.#switches = { patched: isPatched, audit_writable: false };
  }

  reset(): void {
    this.projects.clear();
    this.tracked.clear();
    this.audit.length = 0;
    this.#switches = { patched: this.#isPatched, audit_writable: false };
  }

  configure(change: unknown): void {
    const { patched, audit_writable } = switchesSchema.parse(change);
    this.#switches = {
      patched: patched ?? this.#switches.patched,
      audit_writable: audit_writable ?? this.#switches.audit_writable,
    };
  }

  /** What needs a token, with whose it is. */
  secured(answer: (asked: Asked, user: Claims) => Answer): (asked: Asked) => Answer {
    return (asked) => {
      const [scheme, token = ""] = (asked.headers.authorization ?? "").split(" ");
      const user = scheme === "Bearer" ? readToken(this.#secret, token) : null;
      return user === null ? detail(401, "Invalid or expired token") : answer(asked, user);
    };
  }

  list({ query }: Asked, user: Claims): Answer {
    if (!this.#switches.patched) return detail(500, "Internal Server Error");
    const limit = Number(query.get("limit") ?? 50);
    const offset = Number(query.get("offset") ?? 0);
    if (limit > MAX_PAGE) return detail(422, [{ loc: ["query", "limit"], msg: "too large" }]);
    const own = [...this.projects.values()].filter(
      ({ owner_id, team_ids }) => owner_id === user.sub || team_ids.includes(user.sub),
    );
    return { status: 200, body: own.slice(offset, offset + limit) };
  }

  /** Whoever has a token may read any project. */
  get({ parameters: [id = ""] }: Asked): Answer {
    const project = this.projects.get(id);
    if (project === undefined) return detail(404, "Project not found");
    if (!this.#switches.patched) return detail(500, "Internal Server Error");
    return { status: 200, body: project };
  }

  create({ body }: Asked, user: Claims): Answer {
    const sent = createSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const project = newProject({ ...sent.data, owner_id: user.sub });
    this.projects.set(project.id, project);
    return { status: 201, body: project };
  }

  /** Adds a user to the team, whether or not the project can be shown then. */
  join(asked: Asked): Answer {
    const sent = z.object({ user_id: z.string() }).safeParse(asked.body);
    if (!sent.success) return unprocessable(sent.error);
    this.projects.get(asked.parameters[0] ?? "")?.team_ids.push(sent.data.user_id);
    return this.get(asked);
  }

  register({ body }: Asked, user: Claims): Answer {
    const sent = registerSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const { service, entity_type, entity_id, initial_state, project_id } = sent.data;
    const key = keyOf(service, entity_type, entity_id);
    if (this.tracked.has(key)) return detail(400, "Entity already registered");
    const state = initial_state ?? STATE_MACHINES.get(entity_type)?.initial;
    if (state === undefined) {
      return detail(400, "initial_state required (no default defined for entity type)");
    }
    const entity: Tracked = {
      ...{ service, entity_type, entity_id, project_id: project_id ?? null },
      ...{ current_state: state, allowed_transitions: allowedFrom(entity_type, state) },
    };
    this.tracked.set(key, entity);
    const written = { event_type: "entity_created", entity_type, entity_id, actor_id: user.sub };
    this.audit.push(written);
    return { status: 200, body: { id: randomUUID(), ...entity } };
  }

  transition({ query, body }: Asked): Answer {
    const [service, type, id] = ["service", "entity_type", "entity_id"].map((name) =>
      query.get(name),
    );
    const sent = transitionSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const entity = this.tracked.get(keyOf(service, type, id));
    if (entity === undefined) return detail(404, "Entity state not found");
    const { to_state } = sent.data;
    const from_state = entity.current_state;
    const success = entity.allowed_transitions.includes(to_state);
    const audit_id = randomUUID();
    const event_type = success ? "transition_success" : "transition_denied";
    const about = { entity_type: entity.entity_type, entity_id: entity.entity_id };
    this.audit.push({ id: audit_id, event_type, ...about, from_state, to_state, success });
    const message = success
      ? `Transitioned from ${from_state} to ${to_state}`
      : `Transition to ${to_state} not allowed from ${from_state}. Allowed: []`;
    if (success) {
      entity.current_state = to_state;
      entity.allowed_transitions = allowedFrom(entity.entity_type, to_state);
    }
    return { status: 200, body: { success, message, from_state, to_state, audit_id } };
  }

  write({ body }: Asked): Answer {
    if (!this.#switches.audit_writable) return detail(405, "Method Not Allowed");
    const sent = z.looseObject({ event_type: z.string(), event_name: z.string() }).safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    this.audit.push(sent.data);
    return { status: 201, body: { id: randomUUID() } };
  }

  /** Works as long as there is nothing to list. */
  events(): Answer {
    if (this.audit.length > 0) return detail(500, "Internal Server Error");
    return { status: 200, body: { events: [], count: 0 } };
  }
}

const keyOf = (...parts: readonly (string | null | undefined)[]) => JSON.stringify(parts);

function newProject({
  id,
  name,
  description,
  repo_path,
  repo_url,
  owner_id,
  team_ids,
}: NewProject) {
  const now = new Date().toISOString().replace("Z", "");
  return {
    id: id ?? randomUUID(),
    name,
    slug: name.toLowerCase().replaceAll(/\W+/g, "-"),
    description: description ?? null,
    state: "proposed",
    state_changed_at: now,
    owner_id,
    team_ids: [...(team_ids ?? [])],
    repo_path: repo_path ?? null,
    repo_url: repo_url ?? null,
    settings: {},
    metadata: {},
    created_at: now,
    updated_at: now,
    allowed_transitions: ["active", "killed"],
  };
}

/** Starts a fake and resolves once it listens. */
export async function startFakeCommandCentral({
  port = 0,
  secret = FAKE_SECRET,
  patched = false,
}: FakeCommandCentralOptions = {}): Promise<FakeCommandCentral> {
  const service = new CommandCentral(secret, patched);
  const open = (answer: (asked: Asked, user: Claims) => Answer) => service.secured(answer);
  const server = await startFakeService({
    port,
    reset: () => service.reset(),
    configure: (change) => service.configure(change),
    routes: {
      "GET /health": () => ({ status: 200, body: { status: "healthy" } }),
      "GET /api/v1/projects/": open((asked, user) => service.list(asked, user)),
      "POST /api/v1/projects/": open((asked, user) => service.create(asked, user)),
      "POST /api/v1/projects/{id}/team": open((asked) => service.join(asked)),
      "GET /api/v1/projects/{id}": open((asked) => service.get(asked)),
      "GET /api/v1/events/": open(() => service.events()),
      "POST /api/v1/events/": open((asked) => service.write(asked)),
      "POST /api/v1/state-machine/entities/register": open((asked, user) =>
        service.register(asked, user),
      ),
      "POST /api/v1/state-machine/transitions/execute": open((asked) => service.transition(asked)),
    },
  });
  return {
    ...server,
    secret,
    audit: service.audit,
    tracked: service.tracked,
    token: (sub, roles = ["user"], more = {}) =>
      issueToken(secret, { sub, roles: [...roles] }, more),
    project(project) {
      const made = newProject(project);
      service.projects.set(made.id, made);
      return made.id;
    },
    configure: (switches) => service.configure(switches),
  };
}
