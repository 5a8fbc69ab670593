/**
 * A service outside workerd that counts the requests for each path, to prove whether code still
 * runs. Bound as RECORDER in the `workers` lane; `/count/x` tells how often `/x` was asked for.
 */
const counts = new Map<string, number>();
const COUNT_PREFIX = "/count";

export async function recorder(request: { readonly url: string }): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith(`${COUNT_PREFIX}/`)) {
    return new Response(String(counts.get(pathname.slice(COUNT_PREFIX.length)) ?? 0));
  }
  counts.set(pathname, (counts.get(pathname) ?? 0) + 1);
  return new Response("recorded");
}
