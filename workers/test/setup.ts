/** Runs before each file of the `workers` lane: proves that it is inside workerd, and begins anew. */
import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";

expect(navigator.userAgent).toBe("Cloudflare-Workers");
// The files share one runtime, but neither rows nor objects.
await reset();
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
