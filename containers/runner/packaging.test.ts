/** The files that put the runner onto machines agree with one another and with what it needs. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { rootPath } from "../../scripts/lib/paths.ts";
import { OPTIONS, variableOf } from "./src/options.ts";

const read = (path: string) => readFileSync(rootPath(path), "utf8");

describe("the version of Dagger", () => {
  it("is one and the same everywhere", () => {
    const { dependencies } = z
      .object({ dependencies: z.object({ "@dagger.io/dagger": z.string() }) })
      .parse(JSON.parse(read("package.json")));
    const version = dependencies["@dagger.io/dagger"];
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    // Of the same minor version, which is what the SDK and the engine go by.
    const mentioned = new RegExp(`\\bv?${version.split(".", 2).join("\\.")}\\.\\d+\\b`, "g");
    const files = readdirSync(rootPath("containers"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(rootPath(), join(entry.parentPath, entry.name)));
    const found = [...files, "README.md"].flatMap((path) =>
      [...read(path).matchAll(mentioned)].map(([text]) => `${path}: ${text.replace(/^v/, "")}`),
    );
    expect(found.filter((each) => !each.endsWith(`: ${version}`))).toEqual([]);
    expect(found.map((each) => each.split(":", 1)[0])).toEqual(
      expect.arrayContaining(["containers/runner/Dockerfile", "containers/runner/compose.yaml"]),
    );
  });
});

describe("the compose file", () => {
  const { services } = z
    .object({
      services: z.object({
        runner: z.object({
          restart: z.string(),
          stop_grace_period: z.string(),
          environment: z.record(z.string(), z.string()),
        }),
      }),
    })
    .parse(parse(read("containers/runner/compose.yaml")));

  it("starts a runner again, but none that is refused for good", () => {
    expect(services.runner).toMatchObject({
      restart: "unless-stopped",
      environment: { PIPELZR_RUNNER_STAY: "1" },
    });
  });

  it("sets nothing that the runner does not know", () => {
    const known = Object.values(OPTIONS).map(variableOf);
    expect(
      Object.keys(services.runner.environment).filter((name) => !known.includes(name)),
    ).toEqual([]);
  });
});

describe("the systemd unit", () => {
  const settings = new Map(
    read("containers/runner/pipelzr-runner.service")
      .split("\n")
      .filter((line) => !line.startsWith("#") && line.includes("="))
      .map((line): [string, string] => [
        line.slice(0, line.indexOf("=")),
        line.slice(line.indexOf("=") + 1),
      ]),
  );

  it("leaves bubblewrap what it needs", () => {
    const breaking = [
      ...["ProtectKernelTunables", "ProtectKernelLogs", "ProcSubset", "RestrictNamespaces"],
      ...["SystemCallFilter", "MemoryDenyWriteExecute", "RootDirectory"],
    ];
    expect(breaking.filter((name) => settings.has(name))).toEqual([]);
    expect(settings.get("NoNewPrivileges")).toBe("yes");
  });

  it("does not start a runner again that is refused for good", () => {
    expect(settings.get("Restart")).toBe("always");
    expect(settings.get("RestartPreventExitStatus")).toBe("1");
  });
});
