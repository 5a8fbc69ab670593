/** Runs the examples of a skill as invocations, and tells which came to what they say. */
import pMap from "p-map";
import type { Json } from "../executors/port.ts";
import { canonicalJson } from "../http/json.ts";
import { seedFrom } from "../runs/address.ts";
import type { Principal } from "../security/principal.ts";
import type { SkillContent } from "./content.ts";
import { firstDifference } from "./difference.ts";
import type { FoundInvocation, InvocationService } from "./invocation-service.ts";
import type { VersionName } from "./reference.ts";
import type { ResolvedSkill } from "./resolver.ts";
import type { SkillName } from "./service.ts";

const MAX_AT_ONCE = 5;

type Example = SkillContent["examples"][number];

export interface ExampleResult {
  readonly name: string;
  /** `open`: it had not ended within the wait. */
  readonly verdict: "passed" | "failed" | "open";
  readonly found: FoundInvocation;
  /** What the example says that it comes to; undefined when it only has to succeed. */
  readonly expected: Json | undefined;
  /** Why it failed; null when it did not. */
  readonly reason: string | null;
}

export interface ExampleDeps {
  readonly invocations: Pick<InvocationService, "invoke">;
  readonly resolveFor: (
    principal: Principal,
    name: SkillName,
    version: VersionName,
  ) => Promise<ResolvedSkill>;
}

export class ExampleService {
  readonly #deps: ExampleDeps;

  constructor(deps: ExampleDeps) {
    this.#deps = deps;
  }

  /** Results in the order of the examples. Throws what an invocation is refused with. */
  async run(
    principal: Principal,
    seed: string,
    name: SkillName,
    version: VersionName,
    wait_ms: number,
  ): Promise<{ readonly skill: ResolvedSkill; readonly results: readonly ExampleResult[] }> {
    const skill = await this.#deps.resolveFor(principal, name, version);
    // Each runs the version that was found, whatever the reference means by then.
    const pinned = { kind: "number", number: skill.number } as const;
    const own = { skill: skill.skill_id, project_id: skill.project_id };
    const run = async (example: Example, index: number): Promise<ExampleResult> => {
      const label = example.name ?? `example ${index + 1}`;
      const found = await this.#deps.invocations.invoke(principal, seedFrom(seed, String(index)), {
        ...own,
        version: pinned,
        inputs: example.inputs,
        context: { example: label },
        wait_ms,
      });
      return judge(label, example, found);
    };
    const results = await pMap(skill.content.examples, run, { concurrency: MAX_AT_ONCE });
    return { skill, results };
  }
}

function judge(name: string, { outputs }: Example, found: FoundInvocation): ExampleResult {
  const { run } = found.snapshot;
  const result = { name, found, expected: outputs } as const;
  if (run?.completed_at == null) return { ...result, verdict: "open", reason: null };
  if (run.status !== "completed") {
    const reason = run.error?.message ?? `It was ${run.status}.`;
    return { ...result, verdict: "failed", reason };
  }
  if (outputs === undefined || canonicalJson(outputs) === canonicalJson(found.outputs)) {
    return { ...result, verdict: "passed", reason: null };
  }
  return { ...result, verdict: "failed", reason: firstDifference(outputs, found.outputs) };
}
