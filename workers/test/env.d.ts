import type { D1Migration } from "@cloudflare/vitest-plugin";

declare global {
  namespace Cloudflare {
    interface Env {
      TEST_MIGRATIONS: D1Migration[];
      /** workers/test/main.ts */
      SCRIPTED_COURIER: DurableObjectNamespace<
        import("../delivery/test-support.ts").ScriptedCourier
      >;
      SCRIPTED_SESSION: DurableObjectNamespace<
        import("../agents/session/test-support.ts").ScriptedSession
      >;
      /** workers/test/recorder.ts */
      RECORDER: Fetcher;
    }
  }
}
