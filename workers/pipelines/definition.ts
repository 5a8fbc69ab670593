/** Reads a definition, and says everything that is wrong with it in one answer. */
import { z } from "@hono/zod-openapi";
import type { Issue } from "../http/errors.ts";
import { capped, toIssues } from "../http/issues.ts";
import { findUnsafeJson } from "../http/json.ts";
import { inOurWords, REQUIRED, unknownField } from "../http/wording.ts";
import { locateIssues, parseYaml } from "../http/yaml.ts";
import { type CheckOptions, draftIssues, sizeIssues } from "./check.ts";
import {
  MAX_STEPS,
  type PipelineDefinition,
  type StepDefinition,
  shellFields,
  stepSchema,
} from "./definition-schema.ts";
import { needsIn, type Shell, type StepDraft, stepPath, under } from "./draft.ts";

export type ParsedDefinition =
  | { readonly definition: PipelineDefinition; readonly issues: readonly [] }
  | { readonly definition: null; readonly issues: readonly Issue[] };

const shellSchema = z.object(shellFields);
const MEMBERS = [...Object.keys(shellFields), "tasks"];

/**
 * Validates what was parsed from JSON or YAML: its shape, and what holds between its members. What
 * is wrong in one place keeps nothing from being checked in the others; at most a hundred issues.
 */
export function parseDefinition(input: unknown, options: CheckOptions): ParsedDefinition {
  if (!isObject(input)) {
    return {
      definition: null,
      issues: [{ path: "", message: "Send an object with name and tasks." }],
    };
  }
  const { tasks, ...members } = input;
  const shell = parseShell(members);
  const steps = parseSteps(tasks, shell.value.dependencies);
  const issues = [
    ...unknownMembers(members),
    ...shell.issues,
    ...steps.issues,
    ...draftIssues({ shell: shell.value, steps: steps.drafts }, options),
    ...sizeIssues(input),
  ];
  if (issues.length > 0) return { definition: null, issues: capped(issues) };
  return { definition: { ...shell.value, tasks: steps.steps }, issues: [] };
}

/**
 * Validates a definition in YAML; every issue says its line and column. Throws `bad_request` for
 * what is no YAML.
 */
export function parseDefinitionYaml(text: string, options: CheckOptions): ParsedDefinition {
  const { value, locate } = parseYaml(text);
  const unsafe = findUnsafeJson(value);
  if (unsafe.length > 0) return { definition: null, issues: locateIssues(unsafe, locate) };
  const parsed = parseDefinition(value, options);
  if (parsed.definition !== null) return parsed;
  return { definition: null, issues: locateIssues(parsed.issues, locate) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknownMembers(members: Readonly<Record<string, unknown>>): Issue[] {
  return Object.keys(members)
    .filter((name) => !MEMBERS.includes(name))
    .map((name) => ({ path: name, message: unknownField(name, MEMBERS) }));
}

interface ParsedShell {
  /** Members that are wrong have their defaults. */
  readonly value: Shell;
  readonly issues: readonly Issue[];
}

function parseShell(members: Readonly<Record<string, unknown>>): ParsedShell {
  const outcome = shellSchema.safeParse(members, { error: inOurWords });
  if (outcome.success) return { value: outcome.data, issues: [] };
  const wrong = new Set(outcome.error.issues.map(({ path: [member] }) => member));
  const right = Object.entries(members).filter(([name]) => !wrong.has(name));
  const value = shellSchema.parse({ name: "unnamed", ...Object.fromEntries(right) });
  return { value, issues: toIssues(outcome.error) };
}

interface ParsedSteps {
  /** Those whose shape is right. */
  readonly steps: StepDefinition[];
  readonly drafts: readonly StepDraft[];
  readonly issues: readonly Issue[];
}

function parseSteps(tasks: unknown, dependencies: Shell["dependencies"]): ParsedSteps {
  const refuse = (message: string): ParsedSteps => ({
    steps: [],
    drafts: [],
    issues: [{ path: "tasks", message }],
  });
  if (tasks === undefined) return refuse(REQUIRED);
  if (!Array.isArray(tasks)) return refuse("Send an array.");
  if (tasks.length === 0) return refuse("Give at least 1 item.");
  if (tasks.length > MAX_STEPS) return refuse(`Give at most ${MAX_STEPS} items.`);
  const steps: StepDefinition[] = [];
  const issues: Issue[] = [];
  const drafts = tasks.map((task: unknown, index): StepDraft => {
    const outcome = stepSchema.safeParse(task, { error: inOurWords });
    if (outcome.success) {
      steps.push(outcome.data);
      const { name } = outcome.data;
      return { name, needs: needsIn(outcome.data, index, dependencies), step: outcome.data };
    }
    issues.push(...under(stepPath(index), toIssues(outcome.error)));
    if (!isObject(task)) return { name: null, needs: [], step: null };
    const name = typeof task.name === "string" ? task.name : null;
    return { name, needs: needsIn(task, index, dependencies), step: null };
  });
  return { steps, drafts, issues };
}
