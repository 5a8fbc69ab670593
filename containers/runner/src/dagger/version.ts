/** The version of `@dagger.io/dagger` in package.json; the CLI beside the runner has the same. */
export const SDK_VERSION = "0.21.9";
/** What the SDK itself asks of an engine. */
export const OLDEST_ENGINE = [0, 19] as const;
