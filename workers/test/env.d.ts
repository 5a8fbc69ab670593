import type { D1Migration } from "@cloudflare/vitest-plugin";

declare global {
  namespace Cloudflare {
    interface Env {
      TEST_MIGRATIONS: D1Migration[];
      /** workers/test/main.ts */
      SCRIPTED_SESSION: DurableObjectNamespace<
        import("../agents/session/test-support.ts").ScriptedSession
      >;
      /** workers/test/recorder.ts */
      RECORDER: Fetcher;
    }
  }
}
