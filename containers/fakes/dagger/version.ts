/** The version that the fake stands for. */
export const ENGINE_VERSION = "v0.21.9";
