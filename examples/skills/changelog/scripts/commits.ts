/** Commits as Conventional Commits 1.0 have them. Pure. */

export interface Commit {
  readonly hash: string | null;
  readonly author: string | null;
  /** Null for what follows no convention. */
  readonly type: string | null;
  readonly scope: string | null;
  readonly subject: string;
  /** What breaks; null when nothing does. */
  readonly breaking: string | null;
  /** Hash that it reverts. */
  readonly reverts: string | null;
}

export interface Given {
  readonly message: string;
  readonly hash?: string | null;
  readonly author?: string | null;
}

const HEADER =
  /^(?<type>[A-Za-z][\w-]*)(?:\((?<scope>[^()\r\n]+)\))?(?<bang>!)?:\s+(?<subject>\S.*)$/;
const REVERTED = /^This reverts commit ([0-9a-f]{7,40})/im;
const FOOTER = /^(?:[A-Za-z][\w-]*|BREAKING CHANGE)(?:: | #)/;
const BREAKING = /^BREAKING[ -]CHANGE: *(.*)$/;
const MERGE = /^Merge (?:branch|pull request|remote-tracking branch|tag|commit)\b/;

/** Null for a merge, and for a message that says nothing. */
export function readCommit({ message, hash, author }: Given): Commit | null {
  const lines = message.trim().split(/\r?\n/);
  const header = (lines[0] ?? "").trim();
  if (header === "" || MERGE.test(header)) return null;
  const groups = HEADER.exec(header)?.groups;
  const isRevert = /^Revert "/.test(header);
  const told = breakingOf(lines.slice(1));
  return {
    hash: hash ?? null,
    author: author ?? null,
    type: groups?.type?.toLowerCase() ?? (isRevert ? "revert" : null),
    scope: groups?.scope?.trim() ?? null,
    subject: groups?.subject?.trim() ?? header,
    breaking: told ?? (groups?.bang === undefined ? null : (groups.subject?.trim() ?? header)),
    reverts: REVERTED.exec(message)?.[1] ?? null,
  };
}

/** The text of the footer, which goes on until the next one, or a blank line. */
function breakingOf(lines: readonly string[]): string | null {
  const at = lines.findIndex((line) => BREAKING.test(line));
  if (at < 0) return null;
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((line) => line.trim() === "" || FOOTER.test(line));
  const first = BREAKING.exec(lines[at] ?? "")?.[1] ?? "";
  const text = [first, ...(end < 0 ? rest : rest.slice(0, end))].join(" ");
  return text.replaceAll(/\s+/g, " ").trim();
}

/** Without the commits that others of them take back, and those others. */
export function withoutReverted(commits: readonly Commit[]): Commit[] {
  const out = new Set<Commit>();
  for (const commit of commits) {
    const { reverts } = commit;
    // What a commit that is taken back itself took back stays.
    if (reverts === null || out.has(commit)) continue;
    const reverted = commits.find(({ hash }) => hash?.startsWith(reverts));
    if (reverted === undefined) continue;
    out.add(commit);
    out.add(reverted);
  }
  return commits.filter((commit) => !out.has(commit));
}
