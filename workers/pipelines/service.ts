/** Everything that can be done with pipelines themselves; their runs are `run-service.ts`'s. */
import type { Config } from "../config.ts";
import type { Json } from "../executors/port.ts";
import type { Match } from "../http/conditional.ts";
import { ApiError, type Issue } from "../http/errors.ts";
import type { Page } from "../http/page.ts";
import { RunAccess } from "../runs/access.ts";
import { mayBelong, resourceId } from "../runs/address.ts";
import { filesKey } from "../runs/blobs.ts";
import { invalidInputs, type RunClient } from "../runs/client.ts";
import { type CodebasePorts, keyOf, mountPathOf, refOf } from "../runs/codebases.ts";
import type { SkillPorts } from "../runs/skills.ts";
import type { Snapshot } from "../runs/store-types.ts";
import {
  askedBy,
  callerOf,
  type Principal,
  projectFor,
  requireScope,
  visibleProjects,
} from "../security/principal.ts";
import { blockingFiles } from "../tasks/rules.ts";
import { type ParsedDefinition, parseDefinition } from "./definition.ts";
import { kindOf, type PipelineDefinition } from "./definition-schema.ts";
import { type PipelineDocument, readDocument, writeDocument } from "./document.ts";
import { separateFiles } from "./files.ts";
import { inputIssues, type RunInputs } from "./inputs.ts";
import { PIPELINE_KIND } from "./kind.ts";
import { codebaseOf, isOpen, mountPlaces } from "./mounts.ts";
import { listPipelines, type PipelineFilter, type PipelineRow } from "./repository.ts";
import { skillPlaces } from "./skills.ts";

export interface CreatePipeline {
  /** As it was sent. */
  readonly definition: Readonly<Record<string, unknown>>;
  readonly project_id: string | undefined;
  readonly triggered_by: string | null;
  readonly run_inputs: RunInputs | undefined;
  /** Null creates only; else the longest wait for the end of the run. */
  readonly execute_wait_ms: number | null;
}

/** A pipeline with the outputs of the run shown, wherever they lay. */
export interface FoundPipeline {
  readonly snapshot: Snapshot;
  readonly outputs: Json;
}

export type ListFilter = Omit<PipelineFilter, "projects"> & { readonly project_id: string | null };

export interface PipelineService {
  create(principal: Principal, seed: string, input: CreatePipeline): Promise<FoundPipeline>;
  /** What a creation with this definition would find wrong with it; nothing is stored. */
  validate(definition: Readonly<Record<string, unknown>>): ParsedDefinition;
  get(principal: Principal, id: string): Promise<FoundPipeline>;
  list(principal: Principal, filter: ListFilter, page: Page): Promise<PipelineRow[]>;
  /** Makes a new version of the definition; runs that were begun keep theirs. */
  patch(
    principal: Principal,
    id: string,
    change: Readonly<Record<string, unknown>>,
    match: Match | null,
  ): Promise<FoundPipeline>;
  remove(principal: Principal, id: string, match: Match | null): Promise<void>;
}

export interface PipelineServiceDependencies {
  readonly config: Config;
  readonly database: D1Database;
  readonly blobs: R2Bucket;
  readonly runs: RunClient;
  readonly codebases: CodebasePorts;
  readonly skills: SkillPorts;
}

export function createPipelineService({
  config,
  database,
  blobs,
  runs,
  codebases,
  skills,
}: PipelineServiceDependencies): PipelineService {
  const access = new RunAccess(runs, blobs, PIPELINE_KIND);
  const found = async (snapshot: Snapshot): Promise<FoundPipeline> => ({
    snapshot,
    outputs: await access.result(snapshot.result),
  });
  /** Throws `validation_failed` with every problem. */
  const accept = (sent: Readonly<Record<string, unknown>>, projectId: string) => {
    const { definition, issues } = parseDefinition(sent, { config });
    if (definition === null) throw invalid(issues);
    const foreign = foreignPipelines(definition, projectId);
    if (foreign.length > 0) throw invalid(foreign);
    const timeout_seconds = definition.timeout_seconds ?? config.PIPELINE_TIMEOUT_SECONDS;
    return { ...definition, timeout_seconds };
  };
  /**
   * Throws `forbidden`, and `validation_failed` for what no run could mount. The newest snapshot may be
   * pushed later: it is looked for when a run begins.
   */
  const permitCodebases = async (
    principal: Principal,
    projectId: string,
    definition: PipelineDefinition,
  ) => {
    const places = mountPlaces(definition);
    if (places.length === 0) return;
    requireScope(principal, "codebases:read");
    const blocked = blockedMounts(definition);
    const known = places
      .filter(({ spec }) => !isOpen(spec))
      .map(({ place, spec }) => ({ place, ref: refOf(spec) }));
    const distinct = [...new Map(known.map((each) => [keyOf(each.ref), each])).values()];
    const found = await codebases.pin(
      projectId,
      distinct.map(({ ref }) => ref),
    );
    const missing = distinct.flatMap(({ place: path }, index) => {
      const { code, named: isNamed = false, message = "" } = found[index]?.problem ?? {};
      const isFinal = code === "unknown" || (isNamed && code !== "not_ready");
      return code !== undefined && isFinal ? [{ path, message }] : [];
    });
    const issues = [...blocked, ...missing];
    if (issues.length > 0) throw invalid(issues);
  };
  /**
   * Throws `forbidden`, and `validation_failed` for what no run could invoke. Null without skills and
   * agents.
   */
  const permitOthers = async (
    principal: Principal,
    projectId: string,
    definition: PipelineDefinition,
  ): Promise<readonly string[] | null> => {
    const places = skillPlaces(definition);
    const hasAgents = definition.tasks.some((step) => kindOf(step) === "agent");
    if (hasAgents) for (const scope of AGENT_SCOPES) requireScope(principal, scope);
    if (places.length === 0) return hasAgents ? [...principal.scopes] : null;
    requireScope(principal, "skills:execute");
    const references = [...new Set(places.map(({ reference }) => reference))];
    const found = await skills.pin(projectId, references);
    const issues = references.flatMap((reference, index) => {
      const path = places.find((place) => place.reference === reference)?.place ?? "";
      const { problem = null, ...pinning } = found[index] ?? {};
      if (problem !== null) return [{ path, message: problem }];
      const needs = "needs" in pinning ? pinning.needs : [];
      return needs
        .filter((scope) => !holdsScope(principal, scope))
        .map((scope) => ({ path, message: notGranted(reference, scope) }));
    });
    if (issues.length > 0) throw invalid(issues);
    return [...principal.scopes];
  };
  /** The document's text; large files of steps are stored on the way. */
  const seal = async (
    resource: { readonly id: string; readonly project_id: string },
    accepted: PipelineDefinition,
    rest: Pick<PipelineDocument, "files" | "created_by" | "triggered_by" | "grants">,
  ) => {
    const keyOf = (sha256: string) => filesKey(resource, sha256);
    const { definition, files } = await separateFiles(accepted, blobs, keyOf);
    return writeDocument({ ...rest, definition, files: { ...rest.files, ...files } });
  };

  return {
    async create(principal, seed, input) {
      const projectId = projectFor(principal, input.project_id);
      const accepted = accept(input.definition, projectId);
      await permitCodebases(principal, projectId, accepted);
      const grants = await permitOthers(principal, projectId, accepted);
      const inputs = input.run_inputs ?? {};
      if (input.execute_wait_ms === null && input.run_inputs !== undefined) {
        throw invalid([{ path: "run_inputs", message: WITHOUT_RUN }]);
      }
      const issues = input.execute_wait_ms === null ? [] : inputIssues(accepted, inputs);
      if (issues.length > 0) throw invalidInputs(issues, "run_inputs");
      const id = resourceId(seed, projectId);
      const rest = {
        files: {},
        created_by: callerOf(principal),
        triggered_by: input.triggered_by,
        ...(grants && { grants }),
      };
      const document = await seal({ id, project_id: projectId }, accepted, rest);
      const start =
        input.execute_wait_ms === null
          ? null
          : {
              wait_ms: input.execute_wait_ms,
              request_id: seed,
              inputs: JSON.stringify(inputs),
              ...askedBy(principal),
            };
      return found(
        await runs.create({ id, kind: PIPELINE_KIND, project_id: projectId, document, start }),
      );
    },

    validate: (definition) => parseDefinition(definition, { config }),

    async get(principal, id) {
      return found(await access.read(principal, id));
    },

    list(principal, { project_id, ...filter }, page) {
      const projects = visibleProjects(principal, project_id);
      return listPipelines(database, { ...filter, projects }, page);
    },

    async patch(principal, id, change, match) {
      const { resource } = await access.read(principal, id);
      match?.(resource.changed_seq);
      const { definition, ...before } = readDocument(resource.document);
      const accepted = accept({ ...definition, ...change }, resource.project_id);
      if (change.tasks !== undefined || change.codebase !== undefined) {
        await permitCodebases(principal, resource.project_id, accepted);
      }
      // Steps that are sent anew are sent with their files.
      const files = change.tasks === undefined ? before.files : {};
      const grants =
        change.tasks === undefined
          ? null
          : await permitOthers(principal, resource.project_id, accepted);
      const rest = { ...before, files, ...(grants && { grants }) };
      const document = await seal(resource, accepted, rest);
      const revision = match ? resource.changed_seq : null;
      try {
        return await found(await runs.edit(id, document, resource.version, revision));
      } catch (error) {
        const overtaken = error instanceof ApiError && error.code === "precondition_failed";
        if (match || !overtaken) throw error;
        return this.patch(principal, id, change, match);
      }
    },

    async remove(principal, id, match) {
      const { resource } = await access.read(principal, id);
      match?.(resource.changed_seq);
      await runs.remove(id, match ? resource.changed_seq : null);
    },
  };
}

function holdsScope({ scopes }: Principal, scope: string): boolean {
  return [...scopes].some((held) => held === scope);
}

function notGranted(reference: string, scope: string): string {
  return `The skill "${reference}" needs the scope "${scope}", which this caller does not have. Use a key or user that has it, or another skill.`;
}

/** What whoever writes a step with an agent needs, as for one by itself. */
const AGENT_SCOPES = ["agents:write", "agents:execute"] as const;

const WITHOUT_RUN =
  "They are the inputs of the run that execute starts. Set execute to true, or send them to /start or /execute.";

function invalid(issues: readonly Issue[]): ApiError {
  return new ApiError("validation_failed", "The pipeline is not valid; correct what is listed.", {
    issues,
  });
}

/** Files of steps that would stand where a codebase does. */
function blockedMounts(definition: PipelineDefinition): Issue[] {
  return definition.tasks.flatMap((step, index) => {
    const spec = kindOf(step) === "work" ? codebaseOf(step, definition) : null;
    if (spec === null) return [];
    const files = Object.keys(step.files ?? {}).map((path) => ({ path }));
    const issues = blockingFiles(mountPathOf(spec), files);
    return issues.map(({ path, message }) => ({ path: `tasks[${index}].${path}`, message }));
  });
}

/** A step runs pipelines of its own project alone; what the id says is checked before any run. */
function foreignPipelines(definition: PipelineDefinition, projectId: string): Issue[] {
  return definition.tasks.flatMap(({ pipeline }, index) => {
    if (!pipeline || mayBelong(pipeline, projectId)) return [];
    const message = `No pipeline of the project "${projectId}" has this id; name one by its id.`;
    return [{ path: `tasks[${index}].pipeline`, message }];
  });
}
