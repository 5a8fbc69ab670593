/** Members of a task that only some executors use: one that nothing would heed is refused. */
import type { TaskType } from "../executors/port.ts";
import type { Issue } from "../http/errors.ts";
import { parseHostRule } from "../security/outbound-hosts.ts";
import type { TaskSpec } from "./schemas.ts";

export type BackendSpec = Pick<
  TaskSpec,
  "task_type" | "executors" | "runs_on" | "image" | "template" | "sandbox" | "network" | "isolation"
>;

interface Use {
  readonly member: "runs_on" | "image" | "template" | "sandbox";
  readonly types: readonly TaskType[];
  /** What the member is of, in a sentence about who has one. */
  readonly subject: string;
  /** What stands for its being left out. */
  readonly none: string;
}

const USES: readonly Use[] = [
  {
    member: "runs_on",
    types: ["dagger", "subprocess"],
    subject: "Only runners have labels",
    none: "[]",
  },
  { member: "image", types: ["dagger"], subject: "Only containers have an image", none: "null" },
  { member: "template", types: ["e2b"], subject: "Only sandboxes have a template", none: "null" },
  {
    member: "sandbox",
    types: ["e2b"],
    subject: "Only tasks in sandboxes have one to share",
    none: "null",
  },
];

/** A member is in place when one of the executors that the task may run by uses it. */
export function backendIssues(spec: BackendSpec): Issue[] {
  const own = spec.executors.length > 0 ? spec.executors : [spec.task_type];
  const issues = USES.flatMap(({ member, types, subject, none }): Issue[] => {
    if (!isGiven(spec[member]) || own.some((type) => types.includes(type))) return [];
    const message = `${subject}, and ${typesOf(spec)}. Set task_type to ${either(types)}, or leave ${member} out (${none}).`;
    return [{ path: member, message }];
  });
  issues.push(...networkIssues(spec, own));
  if (spec.isolation === "fresh" && spec.sandbox !== null) {
    const message =
      "A sandbox that steps share is not fresh. Leave isolation out to share it, or sandbox to have one of its own.";
    issues.push({ path: "isolation", message });
  }
  return issues;
}

/** What a list of hosts says and no executor of the task can hold it to. */
function networkIssues({ network }: BackendSpec, own: readonly TaskType[]): Issue[] {
  const isOnly = (type: TaskType) => own.every((each) => each === type);
  if (isOnly("dagger") && network.allow.some((host) => host !== "*")) {
    const message =
      'A container has the whole network, whatever this names: nothing would hold it to these hosts. Leave network out, or write ["*"]; of the others "local" and "e2b" hold a task to hosts.';
    return [{ path: "network.allow", message }];
  }
  if (!isOnly("e2b")) return [];
  return network.allow.flatMap((host, at) => {
    if ((parseHostRule(host)?.port ?? null) === null) return [];
    const message =
      "A sandbox is held to hosts, and not to ports: names are reached on 80 and 443, addresses and * on every one. Leave the port out.";
    return [{ path: `network.allow[${at}]`, message }];
  });
}

function isGiven(value: unknown): boolean {
  return value !== null && !(Array.isArray(value) && value.length === 0);
}

function typesOf({ executors, task_type }: BackendSpec): string {
  if (executors.length === 0) return `this is of the type "${task_type}"`;
  return `none of its executors does (${executors.map((type) => `"${type}"`).join(", ")})`;
}

function either(types: readonly TaskType[]): string {
  return types.map((type) => `"${type}"`).join(" or ");
}

const HOST = String.raw`(?:(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?`;
const PART = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`;
const TAG = String.raw`\w[\w.-]{0,127}`;
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}";
/** A reference as registries and engines read it: `[host[:port]/]path[:tag][@digest]`. */
const IMAGE = new RegExp(`^(?:${HOST}/)?${PART}(?:/${PART})*(?::${TAG})?(?:@${DIGEST})?$`);
/** A template's id or name, with its team and its tag: `[team/]name[:tag]`. */
const TEMPLATE = /^(?:[\w-]+\/)?[\w-]+(?::[\w.-]+)?$/;

/** What is wrong with the reference of an image; null for one that a registry can be asked for. */
export function imageProblem(image: string): string | null {
  if (IMAGE.test(image)) return null;
  return "It is no reference of an image. Write it as in docker pull: [registry/]name[:tag][@digest], the name in lower case, such as node:24-bookworm or ghcr.io/me/tool:1.2.";
}

/** What is wrong with the name of a template; null for one that E2B can be asked for. */
export function templateProblem(template: string): string | null {
  if (TEMPLATE.test(template)) return null;
  return "It is neither an id nor a name of a template at E2B. Write it of letters, digits, dashes and underscores, as [team/]name[:tag], such as base.";
}
