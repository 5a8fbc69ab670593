import { describe, expect, it } from "vitest";
import { readerOf } from "./manifests.ts";
import report from "./report.ts";

const NOTHING = { files: { list: () => [], read: () => "" } };

/** `name version kind pinning` of each. */
function told(path: string, text: string): string[] {
  const { dependencies, problems } = report({ files: { [path]: text } }, NOTHING);
  expect(problems).toEqual([]);
  return dependencies.map(({ name, version, kind, pinning }) =>
    [name, version, kind, pinning].join(" "),
  );
}

describe("a manifest", () => {
  it.each<[string, string, string[]]>([
    [
      "package.json",
      JSON.stringify({
        dependencies: { a: "1.2.3", b: "^1.0.0", c: "*", d: "workspace:*", e: "me/repo", f: "1" },
        peerDependencies: { g: ">=1 <3" },
        optionalDependencies: { h: "1.0.0-rc.1+x" },
      }),
      [
        "a 1.2.3 runtime pinned",
        "b ^1.0.0 runtime range",
        "c * runtime any",
        "d workspace:* runtime source",
        "e me/repo runtime source",
        "f 1 runtime range",
        "g >=1 <3 peer range",
        "h 1.0.0-rc.1+x optional pinned",
      ],
    ],
    [
      "composer.json",
      JSON.stringify({ require: { php: ">=8", "a/b": "^1.0" }, "require-dev": { "c/d": "1.0.0" } }),
      ["a/b ^1.0 runtime range", "c/d 1.0.0 development pinned"],
    ],
    [
      "requirements-dev.txt",
      "# x\n-e .\nA.b_c==1.0 # y\nd[e,f] >= 1, < 2 ; python_version < '4'\ng\nh @ https://x.example/h.whl\ni==1.*\nj==1 \\\n  --hash=sha256:00\n",
      [
        "A.b_c ==1.0 development pinned",
        "d >= 1, < 2 development range",
        "g  development any",
        "h @ https://x.example/h.whl development source",
        "i ==1.* development range",
        "j ==1 development pinned",
      ],
    ],
    [
      "pyproject.toml",
      `[build-system]
requires = ["hatchling"]
[project]
dependencies = ["a>=1"]
[project.optional-dependencies]
x = ["b==2"]
[dependency-groups]
dev = ["c", {include-group = "x"}]
[tool.poetry.dependencies]
python = "^3.9"
d = "1.2"
e = {git = "https://x.example/e.git"}
f = {version = "~1.0", optional = true}
`,
      [
        "a >=1 runtime range",
        "b ==2 optional pinned",
        "c  development any",
        "hatchling  build any",
        "d 1.2 runtime pinned",
        "e https://x.example/e.git runtime source",
        "f ~1.0 runtime range",
      ],
    ],
    [
      "go.mod",
      "module m\nrequire a.example/x v1.0.0\nrequire (\n\tb v0.0.0-2024 // indirect\n)\nreplace (\n\tc => ../c\n)\n",
      ["a.example/x v1.0.0 runtime pinned", "b v0.0.0-2024 indirect pinned"],
    ],
    [
      "Cargo.toml",
      `[dependencies]
a = "1.2.3"
b = { version = "=1.0.0", package = "real-b" }
[dev-dependencies]
c = "*"
[target.'cfg(unix)'.build-dependencies]
d = { git = "https://x.example/d" }
[workspace.dependencies]
e = { version = "1", optional = true }
`,
      [
        "a 1.2.3 runtime range",
        "real-b =1.0.0 runtime pinned",
        "c * development any",
        "e 1 optional range",
        "d https://x.example/d build source",
      ],
    ],
    [
      "pom.xml",
      `<project><properties><v>1.0</v></properties><dependencies>
        <dependency><groupId>g</groupId><artifactId>a</artifactId><version>\${v}</version></dependency>
        <!-- <dependency><groupId>g</groupId><artifactId>no</artifactId></dependency> -->
        <dependency><groupId>g</groupId><artifactId>b</artifactId><scope>test</scope></dependency>
        <dependency><groupId>g</groupId><artifactId>c</artifactId><version>[1,2)</version><optional>true</optional></dependency>
      </dependencies></project>`,
      ["g:a 1.0 runtime pinned", "g:b  development any", "g:c [1,2) optional range"],
    ],
  ])("%s is read", (path, text, expected) => {
    expect(told(`some/folder/${path}`, text)).toEqual(expected);
  });

  it.each([
    ["package.json", "{"],
    ["Cargo.toml", "[dependencies"],
    ["pom.xml", "<project><a></project>"],
  ])("%s that cannot be read is a problem, and nothing more", (path, text) => {
    const { problems, manifests } = report({ files: { [path]: text } }, NOTHING);
    expect(problems).toMatchObject([{ manifest: path }]);
    expect(manifests).toEqual([]);
  });

  it.each(["node_modules/a/package.json", "x/vendor/y/go.mod", "package-lock.json", "a.toml"])(
    "%s is none",
    (path) => {
      expect(readerOf(path)).toBeNull();
    },
  );
});

it("tells what is declared with different versions", () => {
  const npm = (version: string) => JSON.stringify({ dependencies: { a: version } });
  const files = { "package.json": npm("1.0.0"), "x/package.json": npm("2.0.0") };
  expect(report({ files: { ...files, "y/package.json": npm("1.0.0") } }, NOTHING)).toMatchObject({
    packages: 1,
    conflicts: [
      {
        ecosystem: "npm",
        name: "a",
        versions: [
          { version: "1.0.0", manifests: ["package.json", "y/package.json"] },
          { version: "2.0.0", manifests: ["x/package.json"] },
        ],
      },
    ],
  });
  expect(
    report({ files: { ...files, "Cargo.toml": '[dependencies]\na = "1"' } }, NOTHING).conflicts,
  ).toHaveLength(1);
});
