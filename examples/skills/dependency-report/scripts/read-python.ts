/** Python's manifests: requirements files, and pyproject.toml as PEP 621, PEP 735 and Poetry have it. */
import { parse } from "smol-toml";
import { type Dependency, type Kind, pinningOfCargo, pinningOfPython } from "./dependency.ts";
import { type Table, tableOf, textOf, textsOf } from "./values.ts";

const REQUIREMENT = /^([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(@\s*\S+|\(?[=<>!~][^;#)]*\)?)?/;
/** Of one requirement, such as hashes. */
const OPTIONS = /\s+--\w.*$/;

export function readRequirements(path: string, text: string): Dependency[] {
  const kind: Kind = /dev|test|lint|docs?/i.test(path.slice(path.lastIndexOf("/") + 1))
    ? "development"
    : "runtime";
  return text
    .replaceAll(/\\\r?\n/g, " ")
    .split(/\r?\n/)
    .flatMap((line) => requirement(line, kind) ?? []);
}

export function readPyproject(text: string): Dependency[] {
  const manifest: Table = parse(text);
  const project = tableOf(manifest.project);
  const list = (value: unknown, kind: Kind) =>
    textsOf(value).flatMap((line) => requirement(line, kind) ?? []);
  const groups = (value: unknown, kind: Kind) =>
    Object.values(tableOf(value)).flatMap((group) => list(group, kind));
  return [
    ...list(project.dependencies, "runtime"),
    ...groups(project["optional-dependencies"], "optional"),
    ...groups(manifest["dependency-groups"], "development"),
    ...list(tableOf(manifest["build-system"]).requires, "build"),
    ...readPoetry(tableOf(tableOf(manifest.tool).poetry)),
  ];
}

/** One line of a requirements file; null for an option, a comment, or an address alone. */
function requirement(line: string, kind: Kind): Dependency | null {
  const [, name, given = ""] = REQUIREMENT.exec(line.trim().replace(OPTIONS, "")) ?? [];
  if (name === undefined) return null;
  const specifier = given.replaceAll(/[()]/g, "").trim();
  return { name, version: specifier || null, kind, pinning: pinningOfPython(specifier) };
}

function readPoetry(poetry: Table): Dependency[] {
  const table = (value: unknown, kind: Kind) =>
    Object.entries(tableOf(value))
      .filter(([name]) => name !== "python")
      .map(([name, given]) => poetryDependency(name, given, kind));
  const groups = Object.entries(tableOf(poetry.group)).flatMap(([group, value]) =>
    table(tableOf(value).dependencies, group === "main" ? "runtime" : "development"),
  );
  return [
    ...table(poetry.dependencies, "runtime"),
    ...table(poetry["dev-dependencies"], "development"),
    ...groups,
  ];
}

function poetryDependency(name: string, given: unknown, kind: Kind): Dependency {
  const { version: said, git, path, url } = tableOf(given);
  const source = textOf(git) ?? textOf(path) ?? textOf(url);
  if (source !== null) return { name, version: source, kind, pinning: "source" };
  const version = textOf(given) ?? textOf(said);
  // A version that stands alone is the only one here, where Cargo's is a range.
  const isExact = version !== null && /^\d[\w.]*$/.test(version.trim());
  const pinning = isExact || version?.startsWith("==") ? "pinned" : pinningOfCargo(version);
  return { name, version, kind, pinning };
}
