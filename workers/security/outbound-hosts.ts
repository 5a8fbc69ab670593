/** Rules that name hosts: the operator's allow list, and a task's `network.allow`. Pure. */

export interface HostRule {
  /** `any` is every host, `below` every name under `host`, `exact` that host alone. */
  readonly kind: "exact" | "below" | "any";
  /** In the canonical form of a URL's host name; empty for `any`. */
  readonly host: string;
  /** Null for every port. */
  readonly port: number | null;
}

const RULE = /^(?<host>\[[0-9A-Fa-f:.]+\]|[^\s:/?#@[\]\\]+)(?::(?<port>\d{1,5}))?$/;
const MAX_PORT = 65_535;

/** Reads `host`, `host:port`, `*.example.com` or `*`; null for text that is no rule. */
export function parseHostRule(text: string): HostRule | null {
  const { host, port: digits } = RULE.exec(text)?.groups ?? {};
  if (host === undefined) return null;
  const port = digits === undefined ? null : Number(digits);
  if (port !== null && (port < 1 || port > MAX_PORT)) return null;
  if (host === "*") return { kind: "any", host: "", port };
  const below = host.startsWith("*.");
  const name = canonicalHost(below ? host.slice(2) : host);
  if (name === null || name.includes("*")) return null;
  return { kind: below ? "below" : "exact", host: name, port };
}

/** Whether a rule covers the host, given in the form `canonicalHost` returns. */
export function matchesRule(rule: HostRule, host: string, port: number): boolean {
  if (rule.port !== null && rule.port !== port) return false;
  if (rule.kind === "any") return true;
  return rule.kind === "below" ? host.endsWith(`.${rule.host}`) : host === rule.host;
}

/** Lower case, punycode, dotted IPv4, compressed IPv6 in brackets, no final dot; null if no host. */
export function canonicalHost(host: string): string | null {
  const url = URL.parse(`http://${host}/`);
  if (url === null || url.username !== "" || url.pathname !== "/" || url.port !== "") return null;
  const name = url.hostname.replace(/\.$/, "");
  return name === "" || name.endsWith(".") ? null : name;
}
