/** The manifest of a push: every path of a snapshot with its OID, before any content is sent. */
import { z } from "zod";
import { IntakeError } from "./errors.ts";
import { type FileMode, isOid } from "./git-objects.ts";
import { DEFAULT_LIMITS, type IntakeLimits } from "./limits.ts";
import { compareBytewise } from "./path-order.ts";
import { pathProblem } from "./paths.ts";
import { buildTrees } from "./trees.ts";

/** One path of a manifest; `oid` is what `git hash-object` prints for its content. */
export interface ManifestEntry {
  readonly path: string;
  readonly oid: string;
  readonly size: number;
  readonly mode: FileMode;
}

/** Modes as they are named here, and as `git ls-files --stage` prints them. */
const MODES: Readonly<Record<string, FileMode>> = {
  file: "file",
  executable: "executable",
  symlink: "symlink",
  "100644": "file",
  "100755": "executable",
  "120000": "symlink",
};
/** An archive of problems helps nobody. */
const MAX_ISSUES = 100;

const mode = z
  .enum(["file", "executable", "symlink", "100644", "100755", "120000"])
  .default("file")
  .transform((name): FileMode => MODES[name] ?? "file");

const row = z.tuple(
  [
    z.string(),
    z.string().refine(isOid, "An OID is 40 hexadecimal digits in lower case, as git prints it."),
    z.int("A size is a whole number of bytes.").nonnegative("A size is not negative."),
    mode.optional(),
  ],
  'An entry is [path, oid, size], with "executable" or "symlink" after them where it applies.',
);

type Row = z.output<typeof row>;

/** Reads a manifest into entries in git's order of paths; refuses it with every problem it has. */
export function manifestSchema(overrides: Partial<IntakeLimits> = {}) {
  const limits = { ...DEFAULT_LIMITS, ...overrides };
  return z
    .array(row)
    .min(1, "A manifest names at least one file.")
    .max(limits.maxEntries, `A manifest has at most ${limits.maxEntries} entries.`)
    .superRefine((rows, context) => {
      let left = MAX_ISSUES;
      for (const { at, message } of problems(rows, limits)) {
        context.addIssue({ code: "custom", path: [...at], message });
        left -= 1;
        if (left === 0) break;
      }
    })
    .transform(canonical);
}

/** Reads a manifest; throws IntakeError with its first problem. */
export function parseManifest(
  input: unknown,
  limits: Partial<IntakeLimits> = {},
): readonly ManifestEntry[] {
  const parsed = manifestSchema(limits).safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? ` (entry ${String(issue.path[0])})` : "";
  throw new IntakeError(
    "manifest_invalid",
    `${issue?.message ?? "The manifest is invalid."}${where}`,
    {
      cause: parsed.error,
    },
  );
}

interface Problem {
  readonly at: readonly [index: number, field: number] | readonly [];
  readonly message: string;
}

function* problems(rows: readonly Row[], limits: IntakeLimits): Generator<Problem, void> {
  const paths = new Set<string>();
  const sizes = new Map<string, number>();
  let total = 0;
  for (const [index, [path, oid, size]] of rows.entries()) {
    const problem = pathProblem(path, limits);
    if (problem) yield { at: [index, 0], message: problem.message };
    if (paths.has(path))
      yield { at: [index, 0], message: "A path comes twice. Name each file once." };
    paths.add(path);
    const known = sizes.get(oid);
    if (known !== undefined && known !== size) {
      yield { at: [index, 2], message: "The same OID has two sizes. Hash the files again." };
    }
    if (known === undefined) total += size;
    sizes.set(oid, size);
  }
  if (total > limits.maxUnpackedBytes) {
    const message = `The files are larger than ${limits.maxUnpackedBytes} bytes together. Leave out build output and data.`;
    yield { at: [], message };
  }
  for (const [index, [path]] of rows.entries()) {
    if (liesBelowFile(path, paths)) {
      const message = "A path lies below another that is a file. Keep one of the two.";
      yield { at: [index, 0], message };
    }
  }
}

function liesBelowFile(path: string, paths: ReadonlySet<string>): boolean {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    if (paths.has(path.slice(0, slash))) return true;
  }
  return false;
}

function canonical(rows: readonly Row[]): readonly ManifestEntry[] {
  return rows
    .map(([path, oid, size, named]) => ({ path, oid, size, mode: named ?? "file" }))
    .sort((a, b) => compareBytewise(a.path, b.path));
}

/** The OID of the tree that the manifest describes: equal manifests have equal ones. */
export function manifestRoot(entries: readonly ManifestEntry[]): string {
  return buildTrees(entries).root;
}

/** Content to be sent, once however many paths have it. */
export interface MissingBlob {
  readonly oid: string;
  readonly size: number;
  /** The first path in git's order, to find the content by. */
  readonly path: string;
}

/** The blobs that `known` does not have, in the order of their first paths. */
export function missingBlobs(
  entries: readonly ManifestEntry[],
  known: { has(oid: string): boolean },
): MissingBlob[] {
  const missing = new Map<string, MissingBlob>();
  for (const { oid, size, path } of entries) {
    if (!missing.has(oid) && !known.has(oid)) missing.set(oid, { oid, size, path });
  }
  return [...missing.values()];
}
