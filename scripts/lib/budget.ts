/** What the deployed Worker may cost; `npm run deploy` refuses to go beyond. */
export const BUDGET = {
  /**
   * All modules together, of which grammars and the search by structure are 4 MiB that are compressed
   * already. The platform's limit is 64 MiB, and 10 MB compressed.
   */
  bundleBytes: 16 * 1024 * 1024,
  compressedBytes: 7 * 1024 * 1024,
  /** Parsing the modules and running their top level. The platform's limit is 1 s. */
  startupMs: 400,
} as const;
