/** Wires skills: the service that all of an isolate share, since it keeps the versions it has read. */
import { loadConfig } from "./config.ts";
import { createRunClient } from "./runs/client.ts";
import { InvocationPurge } from "./skills/invocation-purge.ts";
import { InvocationService } from "./skills/invocation-service.ts";
import { INVOCATION_KIND } from "./skills/kind.ts";
import { SkillRepository } from "./skills/repository.ts";
import { SkillResolver } from "./skills/resolver.ts";
import { SkillService } from "./skills/service.ts";
import { VersionRepository } from "./skills/version-repository.ts";

const services = new WeakMap<Env, SkillService>();

export function skillsOf(env: Env): SkillService {
  const known = services.get(env);
  if (known) return known;
  const runs = createRunClient(env.RUN_COORDINATOR, INVOCATION_KIND);
  const service = new SkillService({
    config: loadConfig(env),
    repository: new SkillRepository(env.DB),
    versions: new VersionRepository(env.DB),
    resolver: new SkillResolver(env.DB),
    blobs: env.BLOBS,
    purgeInvocations: ({ id }) => new InvocationPurge(env.DB, runs).ofSkill(id),
  });
  services.set(env, service);
  return service;
}

/** Forgets what deleted skills left behind. */
export async function sweepSkills(env: Env, now: number): Promise<void> {
  await skillsOf(env).sweep(now);
  const runs = createRunClient(env.RUN_COORDINATOR, INVOCATION_KIND);
  await new InvocationPurge(env.DB, runs).orphans();
}

export function invocationsOf(env: Env): InvocationService {
  const skills = skillsOf(env);
  return new InvocationService({
    database: env.DB,
    blobs: env.BLOBS,
    runs: createRunClient(env.RUN_COORDINATOR, INVOCATION_KIND),
    resolveFor: (principal, name, version) => skills.resolveFor(principal, name, version),
  });
}
