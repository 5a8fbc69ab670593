/**
 * Which hosts and origins may reach the endpoint, so that no page of another site can use it through a
 * visitor's browser, by DNS rebinding or without. Pure.
 */

/** Names that public DNS never answers for (RFC 2606, 6761, 6762, 8375, and `internal`). */
const PRIVATE_NAME = /(?:^|\.)(?:localhost|test|internal|local|home\.arpa)$/;
const ADDRESS = /^(?:\[.*\]|[\d.]+)$/;

export interface Allowed {
  /** `CORS_ORIGINS`; `*` is any. */
  readonly origins: readonly string[];
  /** Whether a platform hands over requests for the service's own names alone. */
  readonly routed: boolean;
}

/** Why a request is refused; null when it may pass. `origin` is null when it names none. */
export function whyRefused(
  { host, origin }: { readonly host: string; readonly origin: string | null },
  { origins, routed }: Allowed,
): string | null {
  if (!routed && !isOwnHost(host, origins)) {
    return `The host "${host.slice(0, 200)}" is none of this service's. Reach it by localhost or its address, or add its origin to CORS_ORIGINS.`;
  }
  if (origin === null || origins.includes("*") || origins.includes(origin)) return null;
  if (URL.parse(origin)?.host === host) return null;
  return `Pages of the origin "${origin.slice(0, 200)}" may not call this service. Add it to CORS_ORIGINS.`;
}

/** A name without a dot, like an address, is nothing that a foreign DNS server could answer for. */
function isOwnHost(host: string, origins: readonly string[]): boolean {
  const name = URL.parse(`http://${host}`)?.hostname;
  if (name === undefined) return false;
  if (ADDRESS.test(name) || !name.includes(".") || PRIVATE_NAME.test(name)) return true;
  return origins.some((origin) => URL.parse(origin)?.hostname === name);
}
