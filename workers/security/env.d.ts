/** Bindings that only `npm start` supplies, and wrangler.toml therefore does not declare. */

interface Env {
  /** Connects to public addresses alone; see outbound-network.ts. */
  readonly EGRESS_NETWORK?: Fetcher;
}

declare namespace Cloudflare {
  interface Env {
    readonly EGRESS_NETWORK?: Fetcher;
  }
}
