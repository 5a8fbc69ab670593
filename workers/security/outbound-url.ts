/**
 * What can be said about a user's URL without asking anybody. Pure.
 *
 * The URL parser of the platform canonicalises the host (decimal, octal and hexadecimal IPv4, full
 * width and circled digits, percent escapes, case), so that the checks see what a connection would.
 */

import { parseAddress, whyNotPublic } from "./outbound-addresses.ts";
import { canonicalHost, type HostRule, matchesRule } from "./outbound-hosts.ts";

export interface CheckedUrl {
  readonly url: URL;
  /** Canonical; an IPv6 address stands in brackets. */
  readonly host: string;
  readonly port: number;
  /** A `name` has still to be resolved, and every address it resolves to checked. */
  readonly kind: "name" | "address";
  /** Whether the operator's allow list exempts it from the check of its address. */
  readonly exempt: boolean;
}

export type UrlVerdict =
  | ({ readonly allowed: true } & CheckedUrl)
  | { readonly allowed: false; readonly reason: string };

const MAX_URL_CHARACTERS = 8192;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_NAME_CHARACTERS = 253;

/** Names that never mean a public host, and every name below them. */
const PRIVATE_SUFFIXES = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "arpa",
  "test",
  "invalid",
  "onion",
  "alt",
];

/** Decides about a URL; `allowHosts` is the operator's list. The reason is a clause, without a full stop. */
export function checkUrl(input: string | URL, allowHosts: readonly HostRule[] = []): UrlVerdict {
  const text = String(input);
  if (text.length > MAX_URL_CHARACTERS)
    return refuse(`it is longer than ${MAX_URL_CHARACTERS} characters`);
  // The parser would drop these or turn them into slashes; other readers of the text might not.
  if (/[\p{Cc}\s\\]/u.test(text)) {
    return refuse("it contains white space, a control character or a backslash");
  }
  const url = URL.parse(text);
  if (url === null) return refuse("it is not a valid absolute URL");
  const defaultPort = DEFAULT_PORTS[url.protocol];
  if (defaultPort === undefined)
    return refuse(`its scheme is "${url.protocol}", not http or https`);
  if (url.username !== "" || url.password !== "" || authorityOf(text).includes("@")) {
    return refuse("it carries user information before the host; send credentials in a header");
  }
  const host = canonicalHost(url.hostname);
  if (host === null) return refuse("it has no usable host");
  const port = url.port === "" ? defaultPort : Number(url.port);
  if (port === 0) return refuse("its port is 0");
  const bare = host.replace(/^\[|\]$/g, "");
  const kind = parseAddress(bare) === null ? "name" : "address";
  const exempt = allowHosts.some((rule) => matchesRule(rule, host, port));
  if (!exempt) {
    const reason = kind === "address" ? whyNotPublic(bare) : whyNotPublicName(host);
    if (reason !== null) return refuse(reason);
  }
  return { allowed: true, url, host, port, kind, exempt };
}

function whyNotPublicName(host: string): string | null {
  const labels = host.split(".");
  if (host.length > MAX_NAME_CHARACTERS || !labels.every((label) => LABEL.test(label))) {
    return `"${host.slice(0, 100)}" is not a host name`;
  }
  const suffix = PRIVATE_SUFFIXES.find((name) => host === name || host.endsWith(`.${name}`));
  if (suffix !== undefined) return `"${host}" is a local name (${suffix})`;
  if (labels.length < 2) return `"${host}" has no domain, so that it is a local name`;
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) return `"${host}" ends in a number`;
  return null;
}

function authorityOf(text: string): string {
  return /^[a-z]+:\/*([^/?#]*)/i.exec(text)?.[1] ?? "";
}

function refuse(reason: string): UrlVerdict {
  return { allowed: false, reason };
}
