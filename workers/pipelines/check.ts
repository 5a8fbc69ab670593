/** What must hold between the members of a definition, beyond the shape of each. */
import type { Config } from "../config.ts";
import { outputsSchemaProblem } from "../executors/outputs-schema.ts";
import type { Issue } from "../http/errors.ts";
import { capped } from "../http/issues.ts";
import { expressionIssues } from "./check-expressions.ts";
import { StepGraph } from "./check-graph.ts";
import { checkMatrix } from "./check-matrix.ts";
import { environmentIssues, stepIssues } from "./check-steps.ts";
import { MAX_STEPS, type PipelineDefinition } from "./definition-schema.ts";
import { type Draft, needsIn, stepPath, under } from "./draft.ts";

export const MAX_DEFINITION_BYTES = 4 * 1024 * 1024;

export interface CheckOptions {
  readonly config: Config;
}

/** Every problem of a definition whose shape is right, at most a hundred; none when it can be run. */
export function checkDefinition(
  definition: PipelineDefinition,
  options: CheckOptions,
): readonly Issue[] {
  const { tasks, ...shell } = definition;
  const steps = tasks.map((step, index) => ({
    name: step.name,
    needs: needsIn(step, index, shell.dependencies),
    step,
  }));
  return capped([...draftIssues({ shell, steps }, options), ...sizeIssues(definition)]);
}

/** Every problem of a definition, as far as its shape lets it be told. */
export function draftIssues(draft: Draft, options: CheckOptions): Issue[] {
  const graph = new StepGraph(draft);
  const issues = [...schemaIssues(draft), ...environmentIssues(draft.shell.environment)];
  let total = draft.steps.length;
  draft.steps.forEach(({ step }, index) => {
    if (step === null) return;
    const found = stepIssues(step, index, graph, options.config);
    if (step.strategy) {
      const matrix = checkMatrix(step.strategy.matrix);
      found.push(...matrix.issues);
      total += matrix.items;
    }
    issues.push(...under(stepPath(index), found));
  });
  if (total > MAX_STEPS && draft.steps.length <= MAX_STEPS) {
    const message = `With the items of its matrices the pipeline has ${total} steps; ${MAX_STEPS} are the most. Shorten the matrices, or part the pipeline.`;
    issues.push({ path: "tasks", message });
  }
  return [...graph.issues, ...issues, ...expressionIssues(draft, graph)];
}

function schemaIssues({ shell }: Draft): Issue[] {
  const message = outputsSchemaProblem(shell.inputs, "inputs");
  return message === null ? [] : [{ path: "inputs", message }];
}

/** A definition is kept, and sent, as JSON. */
export function sizeIssues(definition: unknown): Issue[] {
  const bytes = Buffer.byteLength(JSON.stringify(definition) ?? "");
  if (bytes <= MAX_DEFINITION_BYTES) return [];
  const message = `The definition has ${bytes} bytes of JSON; ${MAX_DEFINITION_BYTES} are the most. Move scripts and files out of it, or part the pipeline.`;
  return [{ path: "", message }];
}
