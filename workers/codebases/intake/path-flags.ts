/** What the path of a file tells of its role. */

interface PathRule {
  /** Names of folders, anywhere in the path, in lower case. */
  readonly folders: ReadonlySet<string>;
  /** The last part of the path. */
  readonly filename: RegExp;
}

const set = (words: string) => new Set(words.split(" "));

const VENDORED: PathRule = {
  folders: set(
    "node_modules vendor vendors vendored third_party third-party thirdparty 3rdparty 3rd-party bower_components jspm_packages deps extern external externals godeps _vendor pods carthage .yarn venv .venv site-packages virtualenv elm-stuff .bundle",
  ),
  filename:
    /^(?:jquery(?:[-.]\d[\w.]*)?(?:\.min)?\.js|bootstrap(?:\.min)?\.(?:js|css)|gradlew(?:\.bat)?|mvnw(?:\.cmd)?|\.pnp\.c?js)$/,
};

const TEST: PathRule = {
  folders: set(
    "test tests testing __tests__ __mocks__ __snapshots__ spec specs e2e testdata test-data fixtures __fixtures__ unittest unittests integration-tests",
  ),
  filename:
    /^(?:.+[._-](?:test|tests|spec|e2e)\.\w+|test[_-].+\.\w+|.*[a-z0-9](?:Test|Tests|TestCase|Spec|IT)\.(?:java|kt|kts|cs|php|scala|groovy|swift|vb|fs)|conftest\.py|tests?\.(?:py|rs|c|cpp|ts|js)|.+\.snap)$/,
};

const DOCUMENTATION: PathRule = {
  folders: set("doc docs documentation javadoc man manual guides"),
  filename:
    /^(?:(?:readme|changelog|changes|history|contributing|code_of_conduct|security|authors|contributors|maintainers|license|licence|copying|notice|install|upgrading|todo)(?:[._-].*)?)$/i,
};

const LOCKFILE = set(
  "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock cargo.lock go.sum go.work.sum gemfile.lock composer.lock poetry.lock pipfile.lock uv.lock pdm.lock pixi.lock conda-lock.yml mix.lock rebar.lock pubspec.lock podfile.lock package.resolved cartfile.resolved flake.lock gopkg.lock glide.lock packages.lock.json paket.lock gradle.lockfile buildscript-gradle.lockfile .terraform.lock.hcl chart.lock module.bazel.lock stack.yaml.lock cabal.project.freeze manifest.toml.lock elm-stuff.lock",
);

export interface PathFlags {
  readonly vendored: boolean;
  readonly test: boolean;
  readonly documentation: boolean;
  readonly lockfile: boolean;
}

export function pathFlags(path: string): PathFlags {
  const parts = path.split("/");
  const filename = parts.pop() ?? "";
  const folders = parts.map((part) => part.toLowerCase());
  const applies = (rule: PathRule) =>
    folders.some((folder) => rule.folders.has(folder)) || rule.filename.test(filename);
  return {
    vendored: applies(VENDORED),
    test: applies(TEST),
    documentation: applies(DOCUMENTATION),
    lockfile: LOCKFILE.has(filename.toLowerCase()),
  };
}
