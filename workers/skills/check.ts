/** What must hold between the members of a version, beyond the shape of each: every problem at once. */
import type { Config } from "../config.ts";
import { outputsSchemaProblem, valueIssues } from "../executors/outputs-schema.ts";
import type { Issue } from "../http/errors.ts";
import { formatPath } from "../http/issues.ts";
import { mayBelong } from "../runs/address.ts";
import { mountPathOf } from "../runs/codebases.ts";
import {
  blockingFiles,
  codeSpecIssues,
  executorIssues,
  retryIssues,
  secretOf,
  variableProblem,
} from "../tasks/rules.ts";
import { httpIssues } from "./check-http.ts";
import { secretIssues, textIssues, valueTextIssues } from "./check-texts.ts";
import type { Implementation, SkillContent } from "./content.ts";
import { OWN_METADATA } from "./files.ts";

/** With the members beside it, a row of the database holds no more. */
const MAX_CONTENT_BYTES = 1_500_000;

export interface CheckContext {
  readonly config: Config;
  readonly project_id: string;
  readonly slug: string;
  /** Those that go with it. */
  readonly files: readonly { readonly path: string }[];
}

export function contentIssues(content: SkillContent, context: CheckContext): Issue[] {
  const { implementation } = content;
  const issues = [
    ...schemaIssues(content),
    ...exampleIssues(content),
    ...permissionIssues(content, context),
    ...mountIssues(content, context),
    ...retryIssues(content.retry),
    ...skillMdIssues(content),
    ...sizeIssues(content),
  ];
  if (implementation === null) return [...issues, ...instructionIssues(content)];
  return [...issues, ...implementationIssues(implementation, content, context)];
}

function instructionIssues({ instructions }: SkillContent): Issue[] {
  if (instructions !== null) return [];
  const message =
    "Give an implementation, instructions for agents, or both: it does nothing without.";
  return [{ path: "implementation", message }];
}

function schemaIssues({ inputs, outputs }: SkillContent): Issue[] {
  const issues: Issue[] = [];
  const malformed = outputsSchemaProblem(inputs, "inputs");
  if (malformed !== null) issues.push({ path: "inputs", message: malformed });
  else if (inputs !== null && inputs.type !== "object") {
    const message = 'Inputs are an object: say so by "type": "object" at the top of their schema.';
    issues.push({ path: "inputs.type", message });
  }
  const problem = outputsSchemaProblem(outputs);
  if (problem !== null) issues.push({ path: "outputs", message: problem });
  return issues;
}

function exampleIssues({ inputs, outputs, examples }: SkillContent): Issue[] {
  const usable = outputsSchemaProblem(inputs, "inputs") === null ? inputs : null;
  const expected = outputsSchemaProblem(outputs) === null ? outputs : null;
  return examples.flatMap((example, index) => {
    const at = `examples[${index}]`;
    return [
      ...(usable === null ? [] : valueIssues(usable, example.inputs, `${at}.inputs`)),
      ...(expected === null || example.outputs === undefined
        ? []
        : valueIssues(expected, example.outputs, `${at}.outputs`)),
    ];
  });
}

function permissionIssues({ permissions }: SkillContent, { slug }: CheckContext): Issue[] {
  const at = permissions.skills.indexOf(slug);
  if (at < 0) return [];
  return [{ path: `permissions.skills[${at}]`, message: "A skill does not invoke itself." }];
}

function mountIssues(content: SkillContent, { files }: CheckContext): Issue[] {
  const { codebase, implementation } = content;
  if (codebase === null) return [];
  if (implementation === null || !("executor" in implementation)) {
    const message = "Code alone mounts a codebase. Leave it out, or give a script or a command.";
    return [{ path: "codebase", message }];
  }
  const { snapshot = null, folder = null } = typeof codebase === "string" ? {} : codebase;
  const texts =
    typeof codebase === "string" ? codebase : { codebase: codebase.codebase, snapshot, folder };
  return [
    ...valueTextIssues(texts, "codebase", content),
    ...blockingFiles(mountPathOf(codebase), files),
  ];
}

/** What keeps a skill from being a bundle. */
function skillMdIssues({ metadata, ...content }: SkillContent): Issue[] {
  const { description, license, compatibility, allowed_tools } = content;
  const texts = Object.entries({ description, license, compatibility, allowed_tools });
  const blank = texts.filter(([, text]) => text !== null && text.trim() === "");
  const own = Object.keys(metadata).filter((key) => key.startsWith(OWN_METADATA));
  return [
    ...blank.map(([path]) => ({
      path,
      message: "It says nothing. Leave it out, or say something.",
    })),
    ...own.map((key) => ({
      path: `metadata${formatPath([key])}`,
      message: `Names that begin with ${OWN_METADATA} are the service's own.`,
    })),
  ];
}

function sizeIssues(content: SkillContent): Issue[] {
  const bytes = Buffer.byteLength(JSON.stringify(content));
  if (bytes <= MAX_CONTENT_BYTES) return [];
  const message = `Without its files a version takes ${MAX_CONTENT_BYTES} bytes at most, and this takes ${bytes}. Put large texts into files.`;
  return [{ path: "", message }];
}

function implementationIssues(
  implementation: Implementation,
  content: SkillContent,
  context: CheckContext,
): Issue[] {
  switch (implementation.type) {
    case "prompt":
      return [
        ...textIssues(implementation.template, "implementation.template", content),
        ...textIssues(content.system_prompt ?? "", "system_prompt", content),
      ];
    case "http":
      return httpIssues(implementation, content, context.config);
    case "pipeline":
      return [...cacheIssues(content), ...pipelineIssues(implementation.pipeline_id, context)];
    default:
      return [
        ...codeIssues(implementation, content, context),
        ...environmentIssues(implementation, content),
      ];
  }
}

/** A run of a pipeline is no result that is kept: its steps may have caches of their own. */
function cacheIssues({ cache }: Pick<SkillContent, "cache">): Issue[] {
  if (cache === null) return [];
  const message =
    "The outputs of a pipeline are not kept. Give its steps a cache, and leave this out.";
  return [{ path: "cache", message }];
}

function pipelineIssues(pipelineId: string, { project_id }: CheckContext): Issue[] {
  if (mayBelong(pipelineId, project_id)) return [];
  const message = `No pipeline of the project "${project_id}" has this id; name one by its id.`;
  return [{ path: "implementation.pipeline_id", message }];
}

type Code = Exclude<Implementation, { readonly type: "prompt" | "pipeline" | "http" }>;

/** Where the members of a task stand in a skill. */
const PLACES: ReadonlyMap<string, string> = new Map([
  ...["command", "script", "image", "template", "runs_on"].map(
    (member) => [member, `implementation.${member}`] as const,
  ),
  ["task_type", "implementation.executor"],
  ["language", "implementation.type"],
  ["network", "permissions.network"],
]);

function codeIssues(code: Code, content: SkillContent, { config }: CheckContext): Issue[] {
  const { executor, image, template, runs_on, environment } = code;
  const { permissions, timeout_seconds } = content;
  const spec = {
    ...{ task_type: executor, executors: [], image, template, runs_on, environment },
    ...(code.type === "command"
      ? { command: code.command, script: null, language: null }
      : { command: null, script: code.script, language: code.type }),
    ...{ sandbox: null, network: { allow: permissions.network }, isolation: "shared" as const },
    // What else there is of a version is checked as its own.
    ...{ timeout_seconds, retry: null, outputs: null, working_directory: null, artifacts: [] },
    secrets: [],
  };
  const found = [...codeSpecIssues(spec, config), ...executorIssues(executor, [], config)];
  const issues = found.map(({ path, message }) => ({ path: placeOf(path), message }));
  if (permissions.executors.includes(executor)) return issues;
  const message = `It runs by "${executor}", which permissions.executors does not name. Add it there, or choose another.`;
  return [...issues, { path: "implementation.executor", message }];
}

/** `network.allow[0]` of a task is `permissions.network[0]` of a skill. */
function placeOf(path: string): string {
  const [, head = path, rest = ""] =
    /^(\w+)(.*)$/.exec(path.replace(/^network\.allow/, "network")) ?? [];
  return `${PLACES.get(head) ?? head}${rest}`;
}

function environmentIssues({ environment }: Code, content: SkillContent): Issue[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    const path = `implementation.environment.${name}`;
    const problem = variableProblem(name, value);
    const issues = problem === null ? [] : [{ path, message: problem }];
    const secret = secretOf(value);
    if (secret !== null) return [...issues, ...secretIssues(secret, path, content)];
    if (!value.includes("${{")) return issues;
    const message = `An expression must be the whole value and name a secret: \${{ secrets.NAME }}. Code is given its inputs as they are.`;
    return [...issues, { path, message }];
  });
}
