import { expect, test } from "vitest";
import {
  completeLockfile,
  lockfileSchema,
  missingOptionalPackages,
  platformOf,
} from "./lockfile.ts";

const text = JSON.stringify({
  name: "x",
  packages: {
    "": { name: "x" },
    "node_modules/@tool/linux-x64": { version: "1.0.0", optional: true },
    "node_modules/tool": {
      version: "2.0.0",
      dev: true,
      optionalDependencies: {
        "@tool/linux-x64": "2.0.0",
        "@tool/darwin-arm64": "2.0.0",
        range: "^1.0.0",
      },
    },
    "node_modules/other": {
      version: "1.0.0",
      optionalDependencies: { "@tool/linux-x64": "1.0.0" },
    },
  },
});

test("an optional package without an entry of its version is missing, one found further up is not", () => {
  const missing = missingOptionalPackages(lockfileSchema.parse(JSON.parse(text)));
  expect(missing.map((entry) => `${entry.name}@${entry.version}`)).toEqual([
    "@tool/linux-x64@2.0.0",
    "@tool/darwin-arm64@2.0.0",
  ]);
});

test("the completed lockfile has every entry where Node looks for it, and nothing else changed", () => {
  const completed = lockfileSchema.parse(JSON.parse(completeLockfile(text)));
  expect(missingOptionalPackages(completed)).toEqual([]);
  expect(completed.packages["node_modules/tool/node_modules/@tool/linux-x64"]).toEqual({
    version: "2.0.0",
    os: ["linux"],
    cpu: ["x64"],
    dev: true,
    optional: true,
  });
  expect(completed.packages["node_modules/@tool/linux-x64"]?.version).toBe("1.0.0");
  expect(Object.keys(completed.packages)).toHaveLength(6);
});

test.each([
  ["@biomejs/cli-linux-x64-musl", { os: ["linux"], cpu: ["x64"], libc: ["musl"] }],
  ["@cloudflare/workerd-darwin-64", { os: ["darwin"], cpu: ["x64"] }],
  ["@cloudflare/workerd-windows-64", { os: ["win32"], cpu: ["x64"] }],
  ["@rolldown/binding-win32-arm64-msvc", { os: ["win32"], cpu: ["arm64"] }],
  ["@rolldown/binding-wasm32-wasi", { cpu: ["wasm32"] }],
])("reads the platform of %s", (name, platform) => {
  expect(platformOf(name)).toEqual(platform);
});
