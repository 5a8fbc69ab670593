/** How the tests of the fakes call them. */

export interface Reply {
  readonly status: number;
  readonly location: string | null;
  readonly body: unknown;
}

/** Calls a fake, redirects unfollowed; `token` is sent as CommandCentral wants it. */
export async function ask(
  { url }: { readonly url: string },
  request: string,
  { json, token }: { readonly json?: unknown; readonly token?: string } = {},
): Promise<Reply> {
  const [method = "GET", path = "/"] = request.split(" ");
  const response = await fetch(new URL(path, url), {
    method,
    redirect: "manual",
    headers: {
      ...(json !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await response.text();
  const location = response.headers.get("location");
  return { status: response.status, location, body: text === "" ? null : JSON.parse(text) };
}
