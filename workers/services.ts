/** The composition root: builds every feature's service from the bindings of an environment. */

import { SessionBundles } from "./agents/bundle-service.ts";
import { createSessionClient } from "./agents/client.ts";
import { McpServers } from "./agents/mcp/servers.ts";
import { ModelRegistry } from "./agents/models/registry.ts";
import { modelRoutes } from "./agents/models/routes.ts";
import { sessionsIn } from "./agents/reach.ts";
import { agentRoutes } from "./agents/routes.ts";
import { AgentService } from "./agents/service.ts";
import { SessionTools } from "./agents/tools/host.ts";
import { WorkspaceStore } from "./agents/workspace/store.ts";
import { createOwners } from "./audit/owners.ts";
import { auditRoutes } from "./audit/routes.ts";
import { AuditService } from "./audit/service.ts";
import { codebasePorts, sendIndexJobs } from "./codebase-index.ts";
import { CrossSearchService } from "./codebases/cross-search.ts";
import { GrammarRepository } from "./codebases/grammars/repository.ts";
import { grammarRoutes } from "./codebases/grammars/routes.ts";
import { GrammarService } from "./codebases/grammars/service.ts";
import { GrammarStore } from "./codebases/grammars/store.ts";
import { ReadingService } from "./codebases/reading-service.ts";
import { CodebaseRepository } from "./codebases/repository.ts";
import { codebaseRoutes } from "./codebases/routes.ts";
import { CodebaseService } from "./codebases/service.ts";
import { SnapshotService } from "./codebases/snapshot-service.ts";
import { UnderstandingService } from "./codebases/understanding-service.ts";
import { MembershipAccess } from "./commandcentral/access.ts";
import { ProjectDirectory } from "./commandcentral/client.ts";
import { projectRoutes } from "./commandcentral/routes.ts";
import { ProjectService } from "./commandcentral/service.ts";
import { type Config, loadConfig } from "./config.ts";
import { sweepOutbox } from "./couriers.ts";
import { DeadLetterRepository } from "./dead-letters/repository.ts";
import type { RetriesByKind } from "./dead-letters/retries.ts";
import { deadLetterRoutes } from "./dead-letters/routes.ts";
import { DeadLetterService } from "./dead-letters/service.ts";
import { Outbox } from "./delivery/outbox.ts";
import type { Router, Services } from "./http/context.ts";
import { evidenceRoutes } from "./idealzr/routes.ts";
import { EvidenceService } from "./idealzr/service.ts";
import { integrationRoutes } from "./integrations/routes.ts";
import { IntegrationService } from "./integrations/service.ts";
import { KeyRepository } from "./keys/repository.ts";
import { keyRoutes } from "./keys/routes.ts";
import { KeyService } from "./keys/service.ts";
import { purgeBills } from "./operations/executor-figures.ts";
import { PIPELINE_KIND } from "./pipelines/kind.ts";
import { pipelineRoutes } from "./pipelines/routes.ts";
import { PipelineRunService } from "./pipelines/run-service.ts";
import { createPipelineService } from "./pipelines/service.ts";
import { RunnerAccess } from "./runners/access.ts";
import { RunnerRepository } from "./runners/repository.ts";
import { runnerRoutes } from "./runners/routes.ts";
import { runnerProtocolRoutes } from "./runners/runner-routes.ts";
import { RunnerService } from "./runners/service.ts";
import { RunnerWork } from "./runners/work.ts";
import { createRunClient } from "./runs/client.ts";
import { createSecretResolver } from "./secrets/resolver.ts";
import { secretRoutes } from "./secrets/routes.ts";
import { SecretService } from "./secrets/service.ts";
import { forgetKey } from "./security/authenticate.ts";
import { secretCipher } from "./security/crypto.ts";
import { createOutbound, whyRefused } from "./security/outbound.ts";
import { BundleService } from "./skills/bundle-service.ts";
import { ExampleService } from "./skills/examples.ts";
import { invocationRoutes } from "./skills/invocation-routes.ts";
import type { InvocationService } from "./skills/invocation-service.ts";
import { createSkillPorts } from "./skills/ports.ts";
import { skillRoutes } from "./skills/routes.ts";
import { VersionRepository } from "./skills/version-repository.ts";
import { SkillVersionService } from "./skills/version-service.ts";
import { invocationsOf, skillsOf, sweepSkills } from "./skills.ts";
import { subjectsOf } from "./subjects.ts";
import { TASK_KIND } from "./tasks/kind.ts";
import { taskRoutes } from "./tasks/routes.ts";
import { createTaskService, type TaskService } from "./tasks/service.ts";
import { webhookSenderOf } from "./webhook-couriers.ts";
import { WebhookRepository } from "./webhooks/repository.ts";
import { webhookRoutes } from "./webhooks/routes.ts";
import { WebhookService } from "./webhooks/service.ts";

/** What `app.ts` mounts under `/api/v1`. */
export const featureRouters: readonly Router[] = [
  taskRoutes(),
  pipelineRoutes(),
  skillRoutes(),
  invocationRoutes(),
  codebaseRoutes(),
  grammarRoutes(),
  keyRoutes(),
  secretRoutes(),
  runnerRoutes(),
  runnerProtocolRoutes(),
  deadLetterRoutes(),
  modelRoutes(),
  agentRoutes(),
  integrationRoutes(),
  projectRoutes(),
  evidenceRoutes(),
  webhookRoutes(),
  auditRoutes(),
];

/** Called once an environment; what it returns lives as long as the isolate. */
export function buildServices(env: Env, config: Config): Services {
  const runners = new RunnerRepository(env.DB);
  const pipelineRuns = createRunClient(env.RUN_COORDINATOR, PIPELINE_KIND, "own");
  const tasks = createTaskService({
    config,
    database: env.DB,
    blobs: env.BLOBS,
    runs: createRunClient(env.RUN_COORDINATOR, TASK_KIND),
    codebases: codebasePorts(env),
  });
  const codebases = codebasesOf(env);
  const skills = skillsOf(env);
  const skillVersions = new SkillVersionService(skills, new VersionRepository(env.DB));
  const invocations = invocationsOf(env);
  const webhooks = webhooksOf(env, config);
  const directory = new ProjectDirectory(config);
  const runsOfPipelines = new PipelineRunService({ blobs: env.BLOBS, runs: pipelineRuns });
  const services = {
    tasks,
    pipelines: createPipelineService({
      config,
      database: env.DB,
      blobs: env.BLOBS,
      runs: pipelineRuns,
      codebases: codebasePorts(env),
      skills: createSkillPorts((project, named) => skills.resolve(project, named)),
    }),
    pipelineRuns: runsOfPipelines,
    skills,
    skillVersions,
    bundles: new BundleService({ skills, versions: skillVersions, blobs: env.BLOBS }),
    invocations,
    examples: new ExampleService({
      invocations,
      resolveFor: (principal, name, version) => skills.resolveFor(principal, name, version),
    }),
    codebases,
    snapshots: new SnapshotService(codebases, env.BLOBS),
    reading: new ReadingService(codebases),
    grammars: grammarsOf(env),
    understanding: new UnderstandingService(codebases),
    crossSearch: new CrossSearchService({
      repository: new CodebaseRepository(env.DB),
      index: (id) => env.CODEBASE_INDEX.getByName(id),
    }),
    keys: new KeyService(new KeyRepository(env.DB), (keyId) => forgetKey(config, keyId)),
    secrets: new SecretService(env.DB, config, webhooks),
    runners: new RunnerService(runners, env.RUNNER_POOL, config),
    runnerAccess: new RunnerAccess(runners, env.RUNNER_POOL),
    deadLetters: new DeadLetterService(
      new DeadLetterRepository(env.DB),
      retriesOf(tasks, runsOfPipelines, invocations),
    ),
    runnerWork: new RunnerWork(env.RUNNER_POOL, env.BLOBS),
    models: new ModelRegistry(config),
    ...agentsOf(env, config, tasks),
    integrations: new IntegrationService({
      config,
      courier: (name) => env.COURIER.getByName(name),
    }),
    webhooks,
    evidence: new EvidenceService({ config, subject: subjectsOf(env) }),
    projects: new ProjectService({ config, directory }),
    projectAccess: new MembershipAccess(config, directory),
  };
  return {
    ...services,
    audit: new AuditService({ database: env.DB, logs: env.AUDIT_LOG }),
    owners: createOwners(services),
  };
}

function webhooksOf(env: Env, config: Config): WebhookService {
  return new WebhookService({
    repository: new WebhookRepository(env.DB),
    outbox: new Outbox(env.DB),
    courier: (name) => env.COURIER.getByName(name),
    sender: { send: (...request) => webhookSenderOf(env).send(...request) },
    cipher: () => secretCipher(config),
    whyRefused: (url) => whyRefused(url, config),
  });
}

function agentsOf(
  env: Env,
  config: Config,
  tasks: TaskService,
): Pick<Services, "agents" | "sessionBundles"> {
  const workspaces = new WorkspaceStore(env.BLOBS);
  const sessions = createSessionClient(sessionsIn(env.AGENT_SESSION));
  const agents = new AgentService({
    database: env.DB,
    sessions,
    limits: {
      max_iterations: config.AGENT_MAX_ITERATIONS,
      timeout_seconds: config.AGENT_TIMEOUT_SECONDS,
    },
    whyRefused: (url) => whyRefused(url, config),
    openArtifact: (principal, task, path) => tasks.artifact(principal, task, path),
    traces_with_content: config.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT,
    eraseWorkspace: (session) => workspaces.erase(session),
  });
  return { agents, sessionBundles: new SessionBundles({ agents, sessions, workspaces }) };
}

/** The tools of sessions, over the services as callers of the API have them. */
export function sessionToolsOf(env: Env): SessionTools {
  const config = loadConfig(env);
  return new SessionTools({
    services: buildServices(env, config),
    codebases: codebasePorts(env),
    workspaces: new WorkspaceStore(env.BLOBS),
    mcp: new McpServers({
      secrets: createSecretResolver(env.DB, config),
      outbound: createOutbound(env, config),
      version: config.APP_VERSION,
    }),
  });
}

function codebasesOf(env: Env): CodebaseService {
  return new CodebaseService({
    repository: new CodebaseRepository(env.DB),
    blobs: env.BLOBS,
    index: (id) => env.CODEBASE_INDEX.getByName(id),
    whyRefused: (url) => whyRefused(url, loadConfig(env)),
    hasSecret: (projectId, name) =>
      new SecretService(env.DB, loadConfig(env)).exists(projectId, name),
  });
}

function grammarsOf(env: Env): GrammarService {
  const codebases = new CodebaseRepository(env.DB);
  return new GrammarService({
    repository: new GrammarRepository(env.DB),
    store: new GrammarStore(env.BLOBS),
    loader: env.LOADER,
    codebasesOf: (projectId) => codebases.idsOf(projectId),
    send: (jobs) => sendIndexJobs(env, jobs),
  });
}

/** Retries of runs, as those of the features' own routes. */
function retriesOf(
  tasks: TaskService,
  pipelines: PipelineRunService,
  invocations: InvocationService,
): RetriesByKind {
  return {
    task: {
      scope: "tasks:execute",
      async newest(principal, id) {
        const { run } = (await tasks.get(principal, id)).snapshot;
        return run && { ...run, code: run.error?.code ?? null };
      },
      retry: async (principal, id, seed) =>
        (await tasks.retry(principal, id, seed, 0)).snapshot.resource.run,
    },
    invocation: {
      scope: "skills:execute",
      async newest(principal, id) {
        const { run } = (await invocations.get(principal, id)).snapshot;
        return run && { ...run, code: run.error?.code ?? null };
      },
      retry: async (principal, id, seed) =>
        (await invocations.retry(principal, id, seed, 0)).snapshot.resource.run,
    },
    pipeline: {
      scope: "pipelines:execute",
      async newest(principal, id, step) {
        const { summary, state } = await pipelines.inspect(principal, { id, run: null });
        return { ...summary, code: state.steps[step]?.error?.code ?? null };
      },
      async retry(principal, id, seed) {
        const which = { run: null, from: null, inputs: undefined, wait_ms: 0 };
        return (await pipelines.retry(principal, id, seed, which)).snapshot.resource.run;
      },
    },
  };
}

/** What a sweep does beside its own; `now` is in ms since 1970. */
export function choresOf(env: Env, now: number): readonly (() => Promise<unknown>)[] {
  const before = () => now - loadConfig(env).RUN_RETENTION_SECONDS * 1000;
  return [
    () => new DeadLetterRepository(env.DB).purge(before()),
    () => purgeBills(env.DB, before()),
    () => codebasesOf(env).sweep(now),
    () => grammarsOf(env).sweep(now),
    () => sweepSkills(env, now),
    () => sweepOutbox(env, now),
  ];
}
