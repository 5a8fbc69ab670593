/** What the `workers` lane runs: the service, and beside it what only tests have. */
import service from "../index.ts";

export { ScriptedSession } from "../agents/session/test-support.ts";
export { MortalIndex } from "../codebases/test-support-deaths.ts";
export { ScriptedCourier } from "../delivery/test-support.ts";
export * from "../index.ts";
export default service;
