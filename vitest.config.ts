import { availableParallelism } from "node:os";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { readWorkerOptions } from "./scripts/lib/worker-options.ts";
import { LongestFirst } from "./scripts/test/longest-first.ts";
import { recorder } from "./workers/test/recorder.ts";

// Not by `wrangler.configPath`: the plugin would add what .dev.vars holds on this machine.
const worker = readWorkerOptions("./wrangler.toml");

/** Vitest takes one less than there are cores, which on two is half of them. */
const WORKERS = Math.max(2, availableParallelism() - 1);

/**
 * Four lanes, one after the other, but for `workers`, which `npm test` runs beside the rest: `unit` is
 * pure code under Node, `workers` runs inside workerd with real D1, Durable Objects and R2,
 * `containers` is what runs beside the Worker, with real processes and sockets, `e2e` drives the built
 * service over HTTP as a client would.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    coverage: {
      provider: "istanbul",
      // TypeScript alone: modules of text, such as bundles, cannot be instrumented.
      include: ["workers/**/*.ts", "scripts/lib/**/*.ts"],
      exclude: ["**/*.test.ts", "**/*.d.ts", "workers/test/**", "scripts/test/**"],
      reporter: ["text-summary", "html", "json-summary"],
    },
    projects: [
      {
        test: {
          name: "unit",
          include: ["workers/**/*.test.ts", "scripts/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["**/*.workers.test.ts", "**/*.e2e.test.ts"],
          environment: "node",
          // Pure code keeps nothing between files, and loading it anew for each is a third of their time.
          isolate: false,
          testTimeout: 30_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            main: "./workers/test/main.ts",
            // The plugin does not follow `export *`.
            additionalExports: {
              ScriptedSession: "DurableObject",
              ScriptedCourier: "DurableObject",
              MortalIndex: "DurableObject",
              Egress: "WorkerEntrypoint",
              SkillGateway: "WorkerEntrypoint",
            },
            miniflare: {
              ...worker.options,
              durableObjects: Object.assign({}, worker.options.durableObjects, {
                SCRIPTED_SESSION: { className: "ScriptedSession", useSQLite: true },
                SCRIPTED_COURIER: { className: "ScriptedCourier", useSQLite: true },
                MORTAL_INDEX: { className: "MortalIndex", useSQLite: true },
              }),
              bindings: {
                ENVIRONMENT: "local",
                DAGGER_ENABLED: "true",
                SUBPROCESS_ENABLED: "true",
                PIPELZR_DEV_API_KEY: "test-dev-key",
                SECRETS_MASTER_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}`,
                TEST_ALL_CRASHES: process.env.TEST_ALL_CRASHES ?? "false",
                TEST_MIGRATIONS: await readD1Migrations("./migrations"),
              },
              serviceBindings: { RECORDER: recorder },
            },
          })),
        ],
        test: {
          name: "workers",
          include: ["workers/**/*.workers.test.ts"],
          globalSetup: [
            "workers/test/fake-e2b.ts",
            "workers/test/fake-models.ts",
            "workers/test/mcp-servers.ts",
            "workers/test/fake-platform.ts",
          ],
          setupFiles: ["workers/test/setup.ts"],
          testTimeout: 15_000,
          expect: { poll: { timeout: 10_000 } },
          // One runtime for all, which takes a third of the time; `setup.ts` empties it for each file.
          isolate: false,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "containers",
          include: ["containers/**/*.test.ts"],
          globalSetup: ["containers/test/bundles.ts"],
          environment: "node",
          maxWorkers: WORKERS,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["workers/test/**/*.e2e.test.ts", "scripts/**/*.e2e.test.ts"],
          environment: "node",
          globalSetup: ["workers/test/built.ts"],
          maxWorkers: WORKERS,
          sequence: { groupOrder: 3 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
