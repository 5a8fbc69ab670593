/** Manifests that are JSON: npm's and Composer's. */
import { type Dependency, type Kind, pinningOfSemver } from "./dependency.ts";
import { type Table, tableOf, textOf } from "./values.ts";

const NPM: readonly (readonly [string, Kind])[] = [
  ["dependencies", "runtime"],
  ["devDependencies", "development"],
  ["peerDependencies", "peer"],
  ["optionalDependencies", "optional"],
];
const COMPOSER: readonly (readonly [string, Kind])[] = [
  ["require", "runtime"],
  ["require-dev", "development"],
];

export const readPackageJson = (text: string) => read(text, NPM);

/** PHP itself, and its extensions, are no packages. */
export const readComposerJson = (text: string) =>
  read(text, COMPOSER).filter(({ name }) => name.includes("/"));

function read(text: string, sections: readonly (readonly [string, Kind])[]): Dependency[] {
  const manifest: Table = tableOf(JSON.parse(text));
  return sections.flatMap(([section, kind]) =>
    Object.entries(tableOf(manifest[section])).map(([name, value]) => {
      const version = textOf(value);
      return { name, version, kind, pinning: pinningOfSemver(version ?? "") };
    }),
  );
}
