/** Whether texts with expressions can be read, and read only what an invocation has. */
import type { Issue } from "../http/errors.ts";
import { formatPath } from "../http/issues.ts";
import type { Json } from "../http/json.ts";
import { unknownInput } from "../runs/expressions-members.ts";
import type { Reference } from "../runs/expressions-parse.ts";
import { hasExpression, parseTemplate } from "../runs/expressions-template.ts";
import type { SkillContent } from "./content.ts";

type Inputs = Pick<SkillContent, "inputs">;

export function textIssues(text: string, path: string, content: Inputs): Issue[] {
  if (!hasExpression(text)) return [];
  const template = parseTemplate(text);
  const issues: Issue[] = [];
  const report = (message: string, offset: number) => {
    issues.push({ path, message: `${message} (At character ${offset + 1}.)` });
  };
  for (const { message, offset } of template.problems) report(message, offset);
  for (const part of template.parts) {
    if (typeof part === "string") continue;
    const { expression, offset } = part;
    for (const reference of expression.references) {
      const message = referenceProblem(reference, content);
      if (message !== null) report(message, offset + reference.offset);
    }
    if (expression.calls_status) {
      report("success(), failure(), always() and cancelled() are of pipelines.", offset);
    }
  }
  return issues;
}

/** Of every text in a value. */
export function valueTextIssues(value: Json, path: string, content: Inputs): Issue[] {
  if (typeof value === "string") return textIssues(value, path, content);
  if (typeof value !== "object" || value === null) return [];
  const members: [PropertyKey, Json][] = Array.isArray(value)
    ? value.map((each, index) => [index, each])
    : Object.entries(value);
  return members.flatMap(([key, each]) => {
    const step = formatPath([key]);
    return valueTextIssues(each, step.startsWith("[") ? path + step : `${path}.${step}`, content);
  });
}

function referenceProblem(reference: Reference, { inputs }: Inputs): string | null {
  const { context } = reference;
  if (context === "inputs") return unknownInput(reference, inputs);
  if (context === "secrets") {
    return "A secret is legal only as a whole environment or header value, such as Authorization: ${{ secrets.TOKEN }}.";
  }
  return `${context} is not known here; use inputs.`;
}

/** Of a value that stands for a secret as a whole. */
export function secretIssues(
  name: string,
  path: string,
  { permissions }: Pick<SkillContent, "permissions">,
): Issue[] {
  if (permissions.secrets.includes(name)) return [];
  return [{ path, message: `permissions.secrets does not name ${name}. Add it there.` }];
}
