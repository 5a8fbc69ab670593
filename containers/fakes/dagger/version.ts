import { SDK_VERSION } from "../../runner/src/dagger/version.ts";

/** The version that the fake stands for. */
export const ENGINE_VERSION = `v${SDK_VERSION}`;
