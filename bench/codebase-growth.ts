/** What the history of a codebase costs its index: this repository's own, a snapshot a commit. */
import { spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { rootPath } from "../scripts/lib/paths.ts";
import { tarOf } from "../workers/codebases/intake/test-support-archives.ts";
import { CodebaseClient, codebase, snapshot } from "./codebase-client.ts";
import type { MeasuredService } from "./fixture.ts";
import { showProgress } from "./progress.ts";

const COMMITS = 100;
const REGULAR = /^100(?:644|755) blob ([0-9a-f]{40}) +(\d+)\t(.+)$/;

export interface GrowthFigures {
  readonly commits: number;
  /** Of all files of the first commit, and of the last. */
  readonly first_megabytes: number;
  readonly last_megabytes: number;
  /** Contents of all commits, of how many the last one has. */
  readonly contents_ratio: number;
  /** Size of the index with all commits, of one with the last alone. */
  readonly size_ratio: number;
  readonly seconds: number;
}

interface CommittedFile {
  readonly path: string;
  readonly oid: string;
  readonly size: number;
}

const pushed = z.object({ snapshot, missing: z.array(z.object({ oid: z.string() })) });

function git(args: readonly string[], input = ""): Buffer {
  const { stdout, status } = spawnSync("git", [...args], {
    cwd: rootPath("."),
    input,
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`git ${args[0]} failed.`);
  return stdout;
}

function filesOf(commit: string): CommittedFile[] {
  const entries = git(["ls-tree", "-r", "-l", "-z", commit]).toString().split("\0");
  return entries.flatMap((entry) => {
    const [, oid = "", size = "", path = ""] = REGULAR.exec(entry) ?? [];
    return oid === "" ? [] : [{ path, oid, size: Number(size) }];
  });
}

/** Contents in the order of their files, as `git cat-file` gives them: a line of words, then the bytes. */
function contentsOf(files: readonly CommittedFile[]): { name: string; content: Buffer }[] {
  const output = git(["cat-file", "--batch"], files.map(({ oid }) => `${oid}\n`).join(""));
  let at = 0;
  return files.map(({ path, size }) => {
    const begin = output.indexOf("\n", at) + 1;
    at = begin + size + 1;
    return { name: path, content: output.subarray(begin, begin + size) };
  });
}

/** Pushes a commit as a snapshot, with the contents alone that are missing; returns its number. */
async function push(client: CodebaseClient, files: readonly CommittedFile[]): Promise<number> {
  const manifest = files.map(({ path, oid, size }) => [path, oid, size]);
  let answer = pushed.parse(await client.post("/manifest", { files: manifest }));
  while (answer.missing.length > 0) {
    const missing = new Set(answer.missing.map(({ oid }) => oid));
    const sent = files.filter(({ oid }) => missing.delete(oid));
    const body = new Uint8Array(tarOf(contentsOf(sent)));
    const path = `/snapshots/${answer.snapshot.number}/blobs`;
    answer = pushed.parse(await client.call(path, { method: "POST", body }));
  }
  return answer.snapshot.number;
}

/** What is stored of commits once the symbols of the last are known, which are written last. */
async function indexWith(service: MeasuredService, name: string, commits: readonly string[]) {
  const client = new CodebaseClient(service);
  const { id } = codebase.parse(await client.post("/api/v1/codebases", { name }));
  client.path = `/api/v1/codebases/${id}`;
  let newest = 0;
  for (const [at, commit] of commits.entries()) {
    showProgress("Codebases:", `commits ${at + 1}/${commits.length}`);
    newest = await push(client, filesOf(commit));
  }
  for (;;) {
    const { symbols } = snapshot.parse(await client.call(`/snapshots/${newest}`));
    if (symbols.parsed === symbols.of) break;
    await delay(50);
  }
  const { index } = codebase.parse(await client.call(""));
  return { bytes: index?.bytes ?? 0, contents: index?.contents ?? 0 };
}

/** Null where this is no clone with enough of the history. */
export async function measureGrowth(service: MeasuredService): Promise<GrowthFigures | null> {
  const listed = spawnSync("git", ["rev-list", "--first-parent", `-n${COMMITS + 1}`, "HEAD"], {
    cwd: rootPath("."),
  });
  const commits = listed.stdout.toString().split("\n").filter(Boolean).toReversed();
  const [first, last] = [commits[0], commits.at(-1)];
  if (listed.status !== 0 || commits.length <= COMMITS || !first || !last) return null;
  const started = performance.now();
  const alone = await indexWith(service, "last", [last]);
  const all = await indexWith(service, "history", commits);
  const megabytes = (commit: string) =>
    filesOf(commit).reduce((sum, { size }) => sum + size, 0) / 1e6;
  return {
    commits: COMMITS,
    first_megabytes: megabytes(first),
    last_megabytes: megabytes(last),
    contents_ratio: all.contents / alone.contents,
    size_ratio: all.bytes / alone.bytes,
    seconds: (performance.now() - started) / 1_000,
  };
}
