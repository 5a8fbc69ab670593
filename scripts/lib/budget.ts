/** What the deployed Worker may cost; `npm run deploy` refuses to go beyond. */
export const BUDGET = {
  /** All modules together. The platform's limit is 64 MiB, and 10 MB compressed. */
  bundleBytes: 8 * 1024 * 1024,
  compressedBytes: 2 * 1024 * 1024,
  /** Parsing the modules and running their top level. The platform's limit is 1 s. */
  startupMs: 400,
} as const;
