import type { Dependency, Pinning } from "./dependency.ts";
import { readerOf } from "./manifests.ts";

interface Inputs {
  readonly files?: Readonly<Record<string, string>>;
  readonly codebase?: string | null;
}

interface Context {
  readonly files: { list(glob: string): string[]; read(path: string): string };
}

interface Declared extends Dependency {
  readonly manifest: string;
  readonly ecosystem: string;
}

interface Problem {
  readonly manifest: string;
  readonly message: string;
}

interface Conflict {
  readonly ecosystem: string;
  readonly name: string;
  readonly versions: readonly { readonly version: string | null; readonly manifests: string[] }[];
}

const MOUNT = "code/";

export default function report({ files = {}, codebase }: Inputs, ctx: Context) {
  const mounted = codebase == null ? [] : ctx.files.list(`${MOUNT}**`).sort();
  const sources = [
    ...Object.entries(files).map(([path, text]) => ({ path, read: () => text })),
    ...mounted.map((path) => ({
      path: path.slice(MOUNT.length),
      read: () => ctx.files.read(path),
    })),
  ];
  const manifests: { path: string; ecosystem: string; dependencies: number }[] = [];
  const dependencies: Declared[] = [];
  const problems: Problem[] = [];
  for (const { path, read } of sources) {
    const reader = readerOf(path);
    if (reader === null) continue;
    try {
      const { ecosystem } = reader;
      const found = reader.read(path, read());
      manifests.push({ path, ecosystem, dependencies: found.length });
      dependencies.push(...found.map((each) => ({ manifest: path, ecosystem, ...each })));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      problems.push({ manifest: path, message });
    }
  }
  const counts: Record<Pinning, number> = { pinned: 0, range: 0, any: 0, source: 0 };
  for (const { pinning } of dependencies) counts[pinning] += 1;
  const packages = new Set(dependencies.map(keyOf)).size;
  const conflicts = conflictsIn(dependencies);
  const told = { packages, counts, manifests, dependencies, conflicts, problems };
  return { ...told, markdown: markdownOf(told) };
}

const keyOf = ({ ecosystem, name }: Declared) => `${ecosystem} ${name}`;

/** Packages that are declared with more than one version. */
function conflictsIn(dependencies: readonly Declared[]): Conflict[] {
  const conflicts: Conflict[] = [];
  for (const declared of Map.groupBy(dependencies, keyOf).values()) {
    const versions = [...Map.groupBy(declared, ({ version }) => version)].map(
      ([version, same]) => ({
        version,
        manifests: [...new Set(same.map((each) => each.manifest))],
      }),
    );
    const [first] = declared;
    if (first === undefined || versions.length < 2) continue;
    conflicts.push({ ecosystem: first.ecosystem, name: first.name, versions });
  }
  return conflicts;
}

interface Told {
  readonly packages: number;
  readonly counts: Readonly<Record<Pinning, number>>;
  readonly manifests: readonly { readonly path: string; readonly dependencies: number }[];
  readonly dependencies: readonly Declared[];
  readonly conflicts: readonly Conflict[];
  readonly problems: readonly Problem[];
}

function markdownOf({ packages, counts, manifests, dependencies, conflicts, problems }: Told) {
  const parts = Object.entries(counts).map(([pinning, count]) => `${count} ${pinning}`);
  const rows = dependencies.map(
    ({ manifest, name, version, kind, pinning }) =>
      `| ${[manifest, name, version ?? "", kind, pinning].map(cell).join(" | ")} |`,
  );
  const conflicting = conflicts.map(({ name, versions }) => {
    const each = versions.map(
      ({ version, manifests }) => `${version ?? "any"} (${manifests.join(", ")})`,
    );
    return `- \`${name}\`: ${each.join("; ")}`;
  });
  const unread = problems.map(({ manifest, message }) => {
    const [line = ""] = message.split("\n");
    return `- \`${manifest}\`: ${line}`;
  });
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`### ${title}`, lines.join("\n")];
  return [
    "## Dependencies",
    `${packages} packages in ${manifests.length} manifests: ${parts.join(", ")}.`,
    ...section("Declared with different versions", conflicting),
    ...section("Not readable", unread),
    ...section("All of them", [
      "| manifest | package | version | kind | pinning |",
      "|---|---|---|---|---|",
      ...rows,
    ]),
  ].join("\n\n");
}

const cell = (text: string) => text.replaceAll("|", "\\|");
