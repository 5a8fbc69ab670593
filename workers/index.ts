/** The Worker's exports. No logic. */
import { callOnSession } from "./agent-session.ts";
import { AGENT_KIND } from "./agents/session/row.ts";
import { createApp } from "./app.ts";
import { observe } from "./operations/recorder.ts";
import { sweep } from "./operations/sweeper.ts";
import { consume } from "./queues.ts";
import { killStraySandboxes } from "./remote-attempt.ts";
import { placementOf } from "./run-coordinator.ts";
import { callOnRun } from "./runs/client.ts";
import { buildServices, choresOf, featureRouters } from "./services.ts";

export { AgentSession } from "./agent-session.ts";
export { AuditLog } from "./audit/object.ts";
export { CodebaseIndex } from "./codebase-index.ts";
export { Courier } from "./couriers.ts";
export { Limits } from "./operations/limits.ts";
export { Metrics } from "./operations/metrics.ts";
export { RemoteAttempt, SandboxLease } from "./remote-attempt.ts";
export { ProjectionRelay, RunCoordinator } from "./run-coordinator.ts";
export { RunnerPool } from "./runner-pool.ts";
export { Egress } from "./security/egress.ts";
export { SkillGateway } from "./skill-gateway.ts";

const app = createApp({ services: buildServices, routers: featureRouters, observe });

export default {
  fetch: app.fetch,
  queue: consume,
  async scheduled(controller, env) {
    await sweep(
      env.DB,
      ({ id, kind }) =>
        kind === AGENT_KIND
          ? callOnSession(env, id)
          : callOnRun(env.RUN_COORDINATOR, id, placementOf(kind)),
      controller.scheduledTime,
      [
        () => killStraySandboxes(env, controller.scheduledTime),
        ...choresOf(env, controller.scheduledTime),
      ],
    );
  },
} satisfies ExportedHandler<Env>;
