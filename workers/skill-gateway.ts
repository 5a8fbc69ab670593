/** The entrypoint that code of a skill invokes others through, and how it reaches them. */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { SkillGatewayProps } from "./executors/local/executor.ts";
import type { Json } from "./executors/port.ts";
import { readResult } from "./runs/access.ts";
import { objectOf } from "./runs/address.ts";
import { createRunClient } from "./runs/client.ts";
import type { StoredResult } from "./runs/types.ts";
import type { JsonObject } from "./skills/invocation-document.ts";
import { INVOCATION_KIND } from "./skills/kind.ts";
import { invokeNested } from "./skills/nested-invoker.ts";
import { skillsOf } from "./skills.ts";

export class SkillGateway extends WorkerEntrypoint<Env, SkillGatewayProps> {
  /** Resolves to the outputs; rejects with an error whose `code` says why. */
  async invoke(reference: string, inputs: JsonObject): Promise<Json> {
    const { env } = this;
    const skills = skillsOf(env);
    const deps = {
      resolve: (projectId: string, named: string) => skills.resolve(projectId, named),
      runs: createRunClient(env.RUN_COORDINATOR, INVOCATION_KIND),
      above: (id: string) => env.RUN_COORDINATOR.getByName(objectOf(id, "shared")),
      result: (stored: StoredResult | null) => readResult(env.BLOBS, stored),
    };
    return invokeNested(deps, this.ctx.props, reference, inputs);
  }
}
