/** The manifests of Go, Rust and Maven. */
import { XMLParser } from "fast-xml-parser";
import { parse } from "smol-toml";
import { type Dependency, type Kind, pinningOfCargo, pinningOfMaven } from "./dependency.ts";
import { listOf, type Table, tableOf, textOf } from "./values.ts";

/** What go.mod marks as indirect is needed by other modules alone. */
export function readGoMod(text: string): Dependency[] {
  const found: Dependency[] = [];
  let isRequiring = false;
  for (const line of text.split(/\r?\n/)) {
    const [code = "", comment = ""] = line.split("//", 2);
    const words = code.trim().split(/\s+/);
    if (words[0] === ")") isRequiring = false;
    else if (words[0] === "require" && words[1] === "(") isRequiring = true;
    else {
      const [name, version] = words[0] === "require" ? words.slice(1) : isRequiring ? words : [];
      if (name === undefined || version === undefined) continue;
      const kind: Kind = comment.trim() === "indirect" ? "indirect" : "runtime";
      found.push({ name, version, kind, pinning: "pinned" });
    }
  }
  return found;
}

const CARGO: readonly (readonly [string, Kind])[] = [
  ["dependencies", "runtime"],
  ["dev-dependencies", "development"],
  ["build-dependencies", "build"],
];

export function readCargo(text: string): Dependency[] {
  const manifest: Table = parse(text);
  const workspace = tableOf(manifest.workspace);
  const targets = Object.values(tableOf(manifest.target)).map(tableOf);
  return [manifest, workspace, ...targets].flatMap((table) =>
    CARGO.flatMap(([section, kind]) =>
      Object.entries(tableOf(table[section])).map(([name, given]) => crate(name, given, kind)),
    ),
  );
}

function crate(alias: string, given: unknown, kind: Kind): Dependency {
  const { version: said, git, path, package: renamed, optional } = tableOf(given);
  const name = textOf(renamed) ?? alias;
  const version = textOf(given) ?? textOf(said);
  const ofKind: Kind = optional === true ? "optional" : kind;
  const source = version === null ? (textOf(git) ?? textOf(path)) : null;
  if (source !== null) return { name, version: source, kind: ofKind, pinning: "source" };
  return { name, version, kind: ofKind, pinning: pinningOfCargo(version) };
}

const MAVEN_KINDS: ReadonlyMap<string, Kind> = new Map([
  ["test", "development"],
  ["provided", "build"],
]);

export function readPom(text: string): Dependency[] {
  const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false });
  const project = tableOf(tableOf(parser.parse(text, true)).project);
  const properties = tableOf(project.properties);
  const managed = tableOf(tableOf(project.dependencyManagement).dependencies).dependency;
  const declared = tableOf(project.dependencies).dependency;
  return [...listOf(declared), ...listOf(managed)].map((each) => {
    const { groupId, artifactId, version: given, scope, optional } = tableOf(each);
    const version = textOf(given)?.replaceAll(
      /\$\{([^}]+)\}/g,
      (whole, name: string) => textOf(properties[name]) ?? whole,
    );
    const kind = MAVEN_KINDS.get(textOf(scope) ?? "") ?? "runtime";
    return {
      name: `${textOf(groupId) ?? ""}:${textOf(artifactId) ?? ""}`,
      version: version ?? null,
      kind: optional === "true" ? "optional" : kind,
      pinning: pinningOfMaven(version ?? null),
    };
  });
}
