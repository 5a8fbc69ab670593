/** The one way to fetch a URL that a user supplied. */
import type { Config } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import { whyNotPublic } from "./outbound-addresses.ts";
import { type HostRule, parseHostRule } from "./outbound-hosts.ts";
import { type Hop, nextHop, redirectTarget } from "./outbound-redirect.ts";
import { dohResolver, type Resolver } from "./outbound-resolver.ts";
import { type CheckedUrl, checkUrl } from "./outbound-url.ts";

export type Send = (request: Request) => Promise<Response>;

export interface GuardOptions {
  /** The operator's list: these hosts are reached although their addresses are private. */
  readonly allowHosts: readonly HostRule[];
  /** Checks names before they are connected to; null when `sendPublic` refuses private peers itself. */
  readonly resolver: Resolver | null;
  readonly sendPublic: Send;
  /** Reaches the hosts of `allowHosts`. */
  readonly sendExempt: Send;
  /** A further rule for each hop: returns why the target is refused, or null. */
  readonly permit?: (target: CheckedUrl) => string | null;
  readonly maxRedirects?: number;
}

/** The guard as a deployment is configured. */
export type Outbound = (
  request: Request,
  options?: Pick<GuardOptions, "permit" | "maxRedirects">,
) => Promise<Response>;

export const MAX_REDIRECTS = 5;

/**
 * Sends a request to a public host and follows its redirects, each of which is checked anew.
 * A request whose `redirect` is `manual` gets the redirect itself. Throws `validation_failed` when
 * a target is refused, and `unavailable` when it cannot be reached.
 */
export async function guardedFetch(request: Request, options: GuardOptions): Promise<Response> {
  const follow = request.redirect === "follow";
  const headers = new Headers(request.headers);
  headers.delete("host");
  // A body that may have to be sent twice is read first; one that is sent once streams through.
  const body = follow && request.body !== null ? await request.arrayBuffer() : null;
  let target = await admit(request.url, options);
  let hop: Hop = { url: target.url, method: request.method, headers, body };
  for (let redirects = 0; ; redirects += 1) {
    const response = await send(hop, request, target, options);
    const location = follow ? redirectTarget(response, hop.url) : null;
    if (location === null) return response;
    await response.body?.cancel();
    if (redirects >= (options.maxRedirects ?? MAX_REDIRECTS)) {
      throw refused(request.url, `it redirects more than ${redirects} times`);
    }
    target = await admit(location, options);
    hop = nextHop(hop, response.status, target.url);
  }
}

/** Builds the guard from the configuration; throws `misconfigured` for a bad allow list. */
export function createOutbound(env: Env, config: Config): Outbound {
  const network = env.EGRESS_NETWORK;
  const sendAnywhere: Send = (request) => fetch(request);
  const guard: GuardOptions = {
    allowHosts: config.OUTBOUND_ALLOW_HOSTS.map(operatorRule),
    sendExempt: sendAnywhere,
    sendPublic: network === undefined ? sendAnywhere : (request) => network.fetch(request),
    resolver: network === undefined ? dohResolver(config.OUTBOUND_DOH_URL, sendAnywhere) : null,
  };
  return (request, options) => guardedFetch(request, { ...guard, ...options });
}

/** Why no request would be sent to a URL, as far as nobody has to be asked; null when one would. */
export function whyRefused(url: string, config: Config): string | null {
  const verdict = checkUrl(url, config.OUTBOUND_ALLOW_HOSTS.map(operatorRule));
  return verdict.allowed ? null : refused(url, verdict.reason).detail;
}

async function admit(url: string, options: GuardOptions): Promise<CheckedUrl> {
  const verdict = checkUrl(url, options.allowHosts);
  if (!verdict.allowed) throw refused(url, verdict.reason);
  const objection = options.permit?.(verdict) ?? null;
  if (objection !== null) throw refused(url, objection, "");
  if (!verdict.exempt && verdict.kind === "name" && options.resolver !== null) {
    const reason = await whyNotPublicByName(verdict.host, options.resolver);
    if (reason !== null) throw refused(url, reason);
  }
  return verdict;
}

/** One private address among public ones is enough to refuse: the connection may take any. */
async function whyNotPublicByName(host: string, resolver: Resolver): Promise<string | null> {
  let addresses: readonly string[];
  try {
    addresses = await resolver.resolve(host);
  } catch (cause) {
    throw new ApiError(
      "unavailable",
      `The host "${host}" could not be resolved, so that it cannot be checked; retry later.`,
      { cause },
    );
  }
  if (addresses.length === 0) return `the host "${host}" does not exist`;
  for (const address of addresses) {
    const reason = whyNotPublic(address);
    if (reason !== null) return `"${host}" resolves to an address that is refused: ${reason}`;
  }
  return null;
}

async function send(
  hop: Hop,
  request: Request,
  target: CheckedUrl,
  options: GuardOptions,
): Promise<Response> {
  const { url, method, headers } = hop;
  const streams = request.redirect !== "follow" && request.body !== null;
  // Built from its parts: a copy of the request would carry `cf`, the caller's cache directives.
  const outgoing = new Request(url, {
    method,
    headers,
    body: streams ? request.body : hop.body,
    redirect: "manual",
    signal: request.signal,
  });
  try {
    return await (target.exempt ? options.sendExempt(outgoing) : options.sendPublic(outgoing));
  } catch (cause) {
    if (request.signal.aborted) throw cause;
    throw new ApiError(
      "unavailable",
      `The host "${target.host}" could not be reached: the connection failed, or its name resolves to an address that is not public.`,
      { cause },
    );
  }
}

const REMEDY =
  " Only public http and https hosts are reached; an operator can exempt a host with OUTBOUND_ALLOW_HOSTS.";

function refused(url: string, reason: string, remedy = REMEDY): ApiError {
  return new ApiError(
    "validation_failed",
    `The URL "${shown(url)}" is refused: ${reason}.${remedy}`,
  );
}

/** A URL's path and query may hold credentials, which have no place in a message. */
function shown(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "(not a URL)" : `${parsed.protocol}//${parsed.host}`;
}

function operatorRule(text: string): HostRule {
  const rule = parseHostRule(text);
  if (rule !== null && rule.kind === "exact") return rule;
  throw new ApiError(
    "misconfigured",
    `OUTBOUND_ALLOW_HOSTS holds "${text}", which is neither "host" nor "host:port". Correct or remove it.`,
  );
}
