/** Wires the indexes of codebases: how they reach parsers, and how others reach them. */
import { CodebaseIndexBase, type IndexPorts } from "./codebases/index/object.ts";
import { MountService } from "./codebases/mount-service.ts";
import { CodebaseRepository } from "./codebases/repository.ts";
import { IndexWork } from "./codebases/work.ts";
import { loadConfig } from "./config.ts";
import type { CodebasePorts } from "./runs/codebases.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { createOutbound } from "./security/outbound.ts";

const ports: IndexPorts = {
  send: async (env, jobs) => {
    for (let at = 0; at < jobs.length; at += MESSAGES_PER_BATCH) {
      const batch = jobs.slice(at, at + MESSAGES_PER_BATCH);
      await env.INDEXING.sendBatch(batch.map((body) => ({ body, contentType: "json" })));
    }
  },
  project: (env, id, summary) => new CodebaseRepository(env.DB).project(id, summary),
};

/** What one call of a queue takes at most. */
const MESSAGES_PER_BATCH = 100;

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
  const config = loadConfig(env);
  return new IndexWork({
    blobs: env.BLOBS,
    loader: env.LOADER,
    outbound: createOutbound(env, config),
    secrets: createSecretResolver(env.DB, config),
    index: (id) => env.CODEBASE_INDEX.getByName(id),
    codebase: (id) => repository.find("*", id),
  });
}
