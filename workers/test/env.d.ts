import type { D1Migration } from "@cloudflare/vitest-plugin";

declare global {
  namespace Cloudflare {
    interface Env {
      TEST_MIGRATIONS: D1Migration[];
      /** `true` for every kind of death at every step. */
      TEST_ALL_CRASHES: string;
      /** workers/test/main.ts */
      SCRIPTED_COURIER: DurableObjectNamespace<
        import("../delivery/test-support.ts").ScriptedCourier
      >;
      SCRIPTED_SESSION: DurableObjectNamespace<
        import("../agents/session/test-support.ts").ScriptedSession
      >;
      /** workers/test/main.ts */
      MORTAL_INDEX: DurableObjectNamespace<
        import("../codebases/test-support-deaths.ts").MortalIndex
      >;
      /** workers/test/recorder.ts */
      RECORDER: Fetcher;
    }
  }
}
