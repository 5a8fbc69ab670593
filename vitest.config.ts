import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { readWorkerOptions } from "./scripts/lib/worker-options.ts";
import { recorder } from "./workers/test/recorder.ts";

// Not by `wrangler.configPath`: the plugin would add what .dev.vars holds on this machine.
const worker = readWorkerOptions("./wrangler.toml");

/**
 * Four lanes: `unit` is pure code under Node, `workers` runs inside workerd with real D1, Durable
 * Objects and R2, `containers` is what runs beside the Worker, with real processes and sockets,
 * `e2e` drives the built service over HTTP as a client would.
 */
export default defineConfig({
  test: {
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
          include: ["workers/**/*.test.ts", "scripts/**/*.test.ts"],
          exclude: ["**/*.workers.test.ts", "**/*.e2e.test.ts"],
          environment: "node",
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            ...(worker.main !== undefined && { main: worker.main }),
            miniflare: {
              ...worker.options,
              bindings: {
                ENVIRONMENT: "local",
                PIPELZR_DEV_API_KEY: "test-dev-key",
                SECRETS_MASTER_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}`,
                TEST_MIGRATIONS: await readD1Migrations("./migrations"),
              },
              serviceBindings: { RECORDER: recorder },
            },
          })),
        ],
        test: {
          name: "workers",
          include: ["workers/**/*.workers.test.ts"],
          globalSetup: ["workers/test/fake-e2b.ts"],
          setupFiles: ["workers/test/setup.ts"],
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "containers",
          include: ["containers/**/*.test.ts"],
          environment: "node",
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["workers/test/**/*.e2e.test.ts", "scripts/**/*.e2e.test.ts"],
          environment: "node",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
