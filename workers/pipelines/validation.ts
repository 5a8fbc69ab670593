/** Renders what the check of a definition found. */
import type { z } from "@hono/zod-openapi";
import { type Locate, locateIssues } from "../http/yaml.ts";
import type { ParsedDefinition } from "./definition.ts";
import { kindOf, needsOf } from "./definition-schema.ts";
import type { validationSchema } from "./schemas.ts";

export function toValidation(
  { definition, issues }: ParsedDefinition,
  locate: Locate | null,
): z.output<typeof validationSchema> {
  if (definition === null) {
    return { valid: false, issues: [...locateIssues(issues, locate)], steps: [] };
  }
  const steps = definition.tasks.map((step) => ({
    name: step.name,
    kind: kindOf(step),
    needs: [...needsOf(step, definition.dependencies)],
    matrix: (step.strategy ?? null) !== null,
  }));
  return { valid: true, issues: [], steps };
}
