/** Wires the indexes of codebases: how they reach parsers, and how others reach them. */
import { GrammarRepository } from "./codebases/grammars/repository.ts";
import { GrammarStore, toGrammar } from "./codebases/grammars/store.ts";
import type { IndexJob } from "./codebases/index/intake/jobs.ts";
import { CodebaseIndexBase, type IndexPorts } from "./codebases/index/object.ts";
import { searchStructure } from "./codebases/languages/structure.ts";
import { MountService } from "./codebases/mount-service.ts";
import { CodebaseRepository } from "./codebases/repository.ts";
import { RunnerGit } from "./codebases/runner-git.ts";
import { IndexWork } from "./codebases/work.ts";
import { type Config, loadConfig } from "./config.ts";
import { chooseRunnerPool } from "./executors/runner/pools.ts";
import { createRunClient } from "./runs/client.ts";
import type { CodebasePorts } from "./runs/codebases.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { createOutbound } from "./security/outbound.ts";
import { TASK_KIND } from "./tasks/kind.ts";
import { createTaskService } from "./tasks/service.ts";

const ports: IndexPorts = {
  send: sendIndexJobs,
  structure: (env, language, request) => searchStructure(env.LOADER, language, request),
  languages: async (env, id) => {
    const rows = await new GrammarRepository(env.DB).ofCodebase(id);
    return rows.map(({ name, version, traits: { extensions, filenames, aliases } }) => ({
      ...{ name, version, extensions, filenames, aliases },
    }));
  },
  project: (env, id, summary) => new CodebaseRepository(env.DB).project(id, summary),
};

/** What one call of a queue takes at most. */
const MESSAGES_PER_BATCH = 100;

export async function sendIndexJobs(env: Env, jobs: readonly IndexJob[]): Promise<void> {
  for (let at = 0; at < jobs.length; at += MESSAGES_PER_BATCH) {
    const batch = jobs.slice(at, at + MESSAGES_PER_BATCH);
    await env.INDEXING.sendBatch(batch.map((body) => ({ body, contentType: "json" })));
  }
}

export class CodebaseIndex extends CodebaseIndexBase {
  constructor(context: DurableObjectState, env: Env) {
    super(context, env, ports);
  }
}

/** How tasks and pipelines mount codebases. */
export function codebasePorts(env: Env): CodebasePorts {
  return new MountService({
    repository: new CodebaseRepository(env.DB),
    index: (id) => env.CODEBASE_INDEX.getByName(id),
  });
}

/** What the consumer of the indexing queue does its jobs with. */
export function indexWork(env: Env): IndexWork {
  const repository = new CodebaseRepository(env.DB);
  const grammars = new GrammarRepository(env.DB);
  const store = new GrammarStore(env.BLOBS);
  const config = loadConfig(env);
  return new IndexWork({
    blobs: env.BLOBS,
    loader: env.LOADER,
    outbound: createOutbound(env, config),
    secrets: createSecretResolver(env.DB, config),
    index: (id) => env.CODEBASE_INDEX.getByName(id),
    codebase: (id) => repository.find("*", id),
    runnerGit: runnerGitOf(env, config),
    grammar: async (projectId, { name, version }) => {
      const row = await grammars.named(projectId, name);
      const content = row?.version === version ? await store.get(row) : null;
      return content === null ? null : toGrammar(content);
    },
  });
}

function runnerGitOf(env: Env, config: Config): RunnerGit {
  const task_type = "subprocess";
  return new RunnerGit({
    tasks: createTaskService({
      config,
      database: env.DB,
      blobs: env.BLOBS,
      runs: createRunClient(env.RUN_COORDINATOR, TASK_KIND),
      codebases: codebasePorts(env),
    }),
    hasRunner: async (project_id) =>
      config.SUBPROCESS_ENABLED &&
      (await chooseRunnerPool(env, { project_id, task_type })).fits(task_type),
  });
}
