/** Invocations: begun for callers of the API, followed, decided about, and listed as history. */
import type { Json } from "../executors/port.ts";
import { ApiError } from "../http/errors.ts";
import type { Page } from "../http/page.ts";
import { RunAccess } from "../runs/access.ts";
import type { RunClient } from "../runs/client.ts";
import type { LogQuery, LogSlice } from "../runs/logs.ts";
import { invocationId } from "../runs/nesting.ts";
import type { Snapshot } from "../runs/store-types.ts";
import type { EventSource } from "../runs/streaming.ts";
import type { AttemptView } from "../runs/views.ts";
import { askedBy, callerOf, type Principal, visibleProjects } from "../security/principal.ts";
import { grantsAmong } from "./grants.ts";
import { type InvocationParent, type JsonObject, writeDocument } from "./invocation-document.ts";
import {
  type InvocationFilter,
  type InvocationRow,
  listInvocations,
} from "./invocation-repository.ts";
import { INVOCATION_KIND } from "./kind.ts";
import { admit } from "./order.ts";
import type { VersionName } from "./reference.ts";
import type { ResolvedSkill } from "./resolver.ts";
import type { SkillName } from "./service.ts";

/** The coordinator keeps an invocation in one row, which the platform bounds at 2 MB. */
const MAX_DOCUMENT_BYTES = 1_500_000;

export interface InvocationDeps {
  readonly database: D1Database;
  readonly blobs: R2Bucket;
  readonly runs: RunClient;
  /** As the skill service does. */
  readonly resolveFor: (
    principal: Principal,
    name: SkillName,
    version: VersionName,
  ) => Promise<ResolvedSkill>;
}

export interface Invoke extends SkillName {
  readonly version: VersionName;
  readonly inputs: JsonObject;
  readonly context: JsonObject | null;
  /** What it is made for, which the caller acts for; none for a caller of the API. */
  readonly parent?: InvocationParent;
  /** The longest wait for the end. */
  readonly wait_ms: number;
}

/** An invocation with its outputs, wherever they lay. */
export interface FoundInvocation {
  readonly snapshot: Snapshot;
  readonly outputs: Json;
}

export interface Decision {
  readonly approved: boolean;
  readonly comment: string | null;
}

export class InvocationService {
  readonly #deps: InvocationDeps;
  readonly #access: RunAccess;

  constructor(deps: InvocationDeps) {
    this.#deps = deps;
    this.#access = new RunAccess(deps.runs, deps.blobs, INVOCATION_KIND);
  }

  /** Throws what `resolveFor` and `admit` do; nothing is begun then. */
  async invoke(principal: Principal, seed: string, invoke: Invoke): Promise<FoundInvocation> {
    const { inputs, context, parent = null, wait_ms, version, ...name } = invoke;
    const skill = await this.#deps.resolveFor(principal, name, version);
    const invoked_by = callerOf(principal);
    const document = sealed(
      admit(skill, {
        ...{ inputs, context, invoked_by, parent, above: [] },
        grants: grantsAmong(principal.scopes),
      }),
    );
    const { project_id } = skill;
    return this.#found(
      await this.#deps.runs.create({
        id: invocationId(seed, project_id, 0),
        kind: INVOCATION_KIND,
        project_id,
        document,
        start: { wait_ms, request_id: seed, ...askedBy(principal) },
      }),
    );
  }

  async get(principal: Principal, id: string): Promise<FoundInvocation> {
    return this.#found(await this.#access.read(principal, id));
  }

  list(
    principal: Principal,
    { project_id, ...filter }: Omit<InvocationFilter, "projects"> & { project_id: string | null },
    page: Page,
  ): Promise<InvocationRow[]> {
    const projects = visibleProjects(principal, project_id);
    return listInvocations(this.#deps.database, { ...filter, projects }, page);
  }

  async cancel(principal: Principal, id: string): Promise<FoundInvocation> {
    await this.#access.permit(principal, id);
    return this.#found(await this.#deps.runs.cancel(id, null, callerOf(principal)));
  }

  /** Runs one that failed or was cancelled once more, as the version that it was. */
  async retry(
    principal: Principal,
    id: string,
    seed: string,
    wait_ms: number,
  ): Promise<FoundInvocation> {
    await this.#access.permit(principal, id);
    return this.#found(
      await this.#deps.runs.retry(id, { wait_ms, request_id: seed, ...askedBy(principal) }),
    );
  }

  /** Answers what a skill with `requires_approval` waits for. */
  async decide(
    principal: Principal,
    id: string,
    { approved, comment }: Decision,
  ): Promise<FoundInvocation> {
    await this.#access.permit(principal, id);
    const by = callerOf(principal);
    return this.#found(
      await this.#deps.runs.approve(id, null, { step: null, approved, by, comment }),
    );
  }

  attempts(principal: Principal, id: string): Promise<readonly AttemptView[]> {
    return this.#access.attempts(principal, id, null);
  }

  log(principal: Principal, id: string, query: LogQuery): Promise<LogSlice> {
    return this.#access.log(principal, id, query);
  }

  /** The events after `after`; null when it has ended and nothing is left to tell. */
  events(
    principal: Principal,
    id: string,
    run: number | null,
    after: number,
  ): Promise<EventSource | null> {
    return this.#access.events(principal, id, run, after);
  }

  async #found(snapshot: Snapshot): Promise<FoundInvocation> {
    return { snapshot, outputs: await this.#access.result(snapshot.result) };
  }
}

/** The document as text. Throws `payload_too_large`. */
export function sealed(document: ReturnType<typeof admit>): string {
  const text = writeDocument(document);
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_DOCUMENT_BYTES) return text;
  throw new ApiError(
    "payload_too_large",
    `The invocation takes ${bytes} bytes of JSON with its inputs, and ${MAX_DOCUMENT_BYTES} is the limit. Pass large data by reference.`,
  );
}
