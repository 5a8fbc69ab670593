/** How a request goes on after a redirect, as the Fetch standard has it. Pure. */

export interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: ArrayBuffer | null;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const CREDENTIAL_HEADERS = ["authorization", "proxy-authorization", "cookie", "cookie2"];
const BODY_HEADERS = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
];

/** The target of a redirect response; null when it is not one. A target that is no URL is kept as text. */
export function redirectTarget(response: Response, from: URL): string | null {
  const location = response.headers.get("location");
  if (!REDIRECTS.has(response.status) || location === null) return null;
  return URL.parse(location, from.href)?.href ?? location;
}

/** The request that follows; credentials stay with the origin they were meant for. */
export function nextHop(hop: Hop, status: number, url: URL): Hop {
  const headers = new Headers(hop.headers);
  const becomesGet =
    status === 303
      ? hop.method !== "GET" && hop.method !== "HEAD"
      : (status === 301 || status === 302) && hop.method === "POST";
  if (becomesGet) for (const name of BODY_HEADERS) headers.delete(name);
  if (url.origin !== hop.url.origin) for (const name of CREDENTIAL_HEADERS) headers.delete(name);
  return becomesGet
    ? { url, method: "GET", headers, body: null }
    : { url, method: hop.method, headers, body: hop.body };
}
