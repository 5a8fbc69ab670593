/**
 * What a task's `network.allow` becomes at E2B.
 *
 * Enforced: no network at all for an empty list, and for host names HTTP on port 80 (by the Host
 * header) and TLS on port 443 (by SNI). Not enforceable there: ports of a rule (`host:8443` admits
 * the host on 80 and 443 alone), protocols over UDP, and DNS, whose server 8.8.8.8 E2B admits by
 * itself once a host name is listed. IP addresses and `*` are admitted on every port.
 */
import { parseHostRule } from "../../security/outbound-hosts.ts";

const ALL_TRAFFIC = "0.0.0.0/0";

export interface NetworkOptions {
  readonly allowInternetAccess?: boolean;
  readonly network?: { readonly allowOut: string[]; readonly denyOut: string[] };
}

/** Entries that are no rule allow nothing. */
export function networkOptions(allow: readonly string[]): NetworkOptions {
  const rules = allow.map(parseHostRule).filter((rule) => rule !== null);
  if (rules.length === 0) return { allowInternetAccess: false };
  if (rules.some(({ kind }) => kind === "any")) return { allowInternetAccess: true };
  const hosts = rules.map(({ kind, host }) => (kind === "below" ? `*.${host}` : host));
  return { network: { allowOut: [...new Set(hosts)], denyOut: [ALL_TRAFFIC] } };
}
