import { type Commit, type Given, readCommit, withoutReverted } from "./commits.ts";

interface Inputs {
  readonly commits: readonly (string | Given)[];
  readonly version?: string;
  readonly date?: string;
  readonly repository_url?: string;
  /** Whether what users do not notice is told as well. */
  readonly all?: boolean;
}

interface Section {
  readonly title: string;
  readonly entries: readonly string[];
}

const OTHERS = "Other changes";
/** In this order; a type that is not here follows no convention. */
const SECTIONS: readonly (readonly [title: string, types: readonly string[], isQuiet?: true])[] = [
  ["Features", ["feat", "feature"]],
  ["Fixes", ["fix", "bugfix"]],
  ["Performance", ["perf"]],
  ["Reverted", ["revert"]],
  ["Documentation", ["docs", "doc"]],
  ["Refactoring", ["refactor"]],
  ["Dependencies", ["deps"]],
  ["Housekeeping", ["test", "tests", "ci", "style", "build", "chore"], true],
];

export default function changelog(inputs: Inputs) {
  const { commits: given, version = "Unreleased", date, repository_url, all = false } = inputs;
  const link = linker(repository_url?.replace(/\/+$/, "") ?? null);
  const read = given.map((each) => readCommit(typeof each === "string" ? { message: each } : each));
  const commits = withoutReverted(read.filter((commit) => commit !== null));
  const breaking = commits.filter((commit) => commit.breaking !== null);
  const sections: Section[] = [
    {
      title: "Breaking changes",
      entries: breaking.map((commit) => line({ ...commit, subject: commit.breaking ?? "" }, link)),
    },
    ...SECTIONS.filter(([, , isQuiet]) => all || !isQuiet).map(([title, types]) => ({
      title,
      entries: entriesOf(commits, (type) => types.includes(type), link),
    })),
    { title: OTHERS, entries: entriesOf(commits, isOther, link) },
  ].filter(({ entries }) => entries.length > 0);
  const heading = `## ${version}${date === undefined ? "" : ` (${date})`}`;
  const body = sections.map(({ title, entries }) => `### ${title}\n\n${entries.join("\n")}`);
  return {
    markdown: `${[heading, ...(body.length > 0 ? body : ["Nothing that users notice."])].join("\n\n")}\n`,
    bump: bumpOf(commits, sections),
    commits: commits.length,
    left_out: given.length - commits.length,
    sections: sections.map(({ title, entries }) => ({ title, entries: entries.length })),
  };
}

function typeOf({ type, scope }: Commit): string {
  return scope === "deps" && (type === "build" || type === "chore") ? "deps" : (type ?? "");
}

const isOther = (type: string) => !SECTIONS.some(([, types]) => types.includes(type));

function entriesOf(commits: readonly Commit[], takes: (type: string) => boolean, link: Link) {
  return commits.filter((commit) => takes(typeOf(commit))).map((commit) => line(commit, link));
}

interface Link {
  hash(hash: string): string;
  issues(text: string): string;
}

function linker(url: string | null): Link {
  if (url === null) return { hash: (hash) => hash.slice(0, 7), issues: (text) => text };
  return {
    hash: (hash) => `[${hash.slice(0, 7)}](${url}/commit/${hash})`,
    issues: (text) => text.replaceAll(/(?<![\w[])#(\d+)\b/g, `[#$1](${url}/issues/$1)`),
  };
}

function line({ scope, subject, hash, author }: Commit, link: Link): string {
  const origin = [hash === null ? [] : link.hash(hash), author ?? []].flat();
  const where = scope === null ? "" : `**${scope}**: `;
  return `- ${where}${link.issues(subject)}${origin.length > 0 ? ` (${origin.join(", ")})` : ""}`;
}

function bumpOf(commits: readonly Commit[], sections: readonly Section[]) {
  if (commits.some(({ breaking }) => breaking !== null)) return "major";
  if (sections.some(({ title }) => title === "Features")) return "minor";
  return sections.length > 0 ? "patch" : null;
}
