/** Runs before each file of the `workers` lane: proves that it is inside workerd and migrates D1. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";

expect(navigator.userAgent).toBe("Cloudflare-Workers");
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
