import { describe, expect, it } from "vitest";
import { type GuardOptions, guardedFetch } from "./outbound.ts";
import { parseHostRule } from "./outbound-hosts.ts";
import { dohResolver, type Resolver } from "./outbound-resolver.ts";

const rules = (...texts: string[]) => texts.flatMap((text) => parseHostRule(text) ?? []);
const refusal = (detail: RegExp) =>
  expect.objectContaining({ code: "validation_failed", detail: expect.stringMatching(detail) });

const PUBLIC: Resolver = { resolve: async () => ["93.184.215.14", "2606:2800:21f::1"] };
const answering = (...addresses: string[]): Resolver => ({ resolve: async () => addresses });

interface Seen {
  url: string;
  method: string;
  body: string;
  headers: Record<string, string>;
  exempt: boolean;
}

/** A network whose hosts answer as told; it records what reaches it. */
function network(routes: Record<string, () => Response> = {}) {
  const seen: Seen[] = [];
  const sender = (exempt: boolean) => async (request: Request) => {
    expect(request.redirect).toBe("manual");
    seen.push({
      url: request.url,
      method: request.method,
      body: await request.text(),
      headers: Object.fromEntries(request.headers),
      exempt,
    });
    return routes[request.url]?.() ?? new Response("ok");
  };
  const options: GuardOptions = {
    allowHosts: [],
    resolver: PUBLIC,
    sendPublic: sender(false),
    sendExempt: sender(true),
  };
  return { seen, options };
}

const redirect = (status: number, location: string) => () =>
  new Response(null, { status, headers: { Location: location } });

describe("guardedFetch", () => {
  it("reaches a public host", async () => {
    const { seen, options } = network();
    const request = new Request("https://good.com/x", {
      method: "POST",
      body: "hello",
      headers: { "X-A": "1", Host: "other.com" },
    });
    const response = await guardedFetch(request, options);
    expect(await response.text()).toBe("ok");
    expect(seen).toMatchObject([
      { url: "https://good.com/x", method: "POST", body: "hello", exempt: false },
    ]);
    expect(seen[0]?.headers).toMatchObject({ "x-a": "1" });
    expect(seen[0]?.headers).not.toHaveProperty("host");
  });

  it.each([
    ["IPv4", answering("10.0.0.1"), /resolves to .*10\.0\.0\.1.*private/],
    ["IPv6", answering("::1"), /loopback/],
    ["a mapped address", answering("::ffff:127.0.0.1"), /disguise/],
    [
      "one private address among public ones",
      answering("8.8.8.8", "169.254.169.254"),
      /link-local/,
    ],
    ["something that is no address", answering("good.com"), /not an IP address/],
    ["nothing", answering(), /does not exist/],
  ])("refuses a name that resolves to %s", async (_, resolver, detail) => {
    const { seen, options } = network();
    await expect(
      guardedFetch(new Request("https://good.com/"), { ...options, resolver }),
    ).rejects.toThrow(refusal(detail));
    expect(seen).toEqual([]);
  });

  it("fails closed when the name cannot be resolved", async () => {
    const { seen, options } = network();
    const resolver = { resolve: () => Promise.reject(new Error("timeout")) };
    await expect(
      guardedFetch(new Request("https://good.com/"), { ...options, resolver }),
    ).rejects.toMatchObject({ code: "unavailable" });
    expect(seen).toEqual([]);
  });

  it.each([
    "http://127.0.0.1/",
    "//169.254.169.254/latest",
    "http://[::1]/",
    "http://0x7f.1/",
    "http://localhost/",
    "http://user:pw@good.com/",
    "file:///etc/passwd",
    "http://[",
    "http:\\\\127.0.0.1/",
  ])("refuses a redirect to %s", async (location) => {
    const { seen, options } = network({ "https://good.com/": redirect(302, location) });
    await expect(guardedFetch(new Request("https://good.com/"), options)).rejects.toMatchObject({
      code: "validation_failed",
    });
    expect(seen).toHaveLength(1);
  });

  it("refuses a redirect to a name that resolves to a private address", async () => {
    const { seen, options } = network({
      "https://good.com/": redirect(302, "https://rebound.com/"),
    });
    const resolver: Resolver = {
      resolve: async (name) => [name === "good.com" ? "8.8.8.8" : "192.168.1.1"],
    };
    await expect(
      guardedFetch(new Request("https://good.com/"), { ...options, resolver }),
    ).rejects.toThrow(refusal(/"rebound\.com" resolves/));
    expect(seen).toHaveLength(1);
  });

  it("gives a redirect to a caller that follows by itself", async () => {
    const { options } = network({ "https://good.com/": redirect(302, "http://127.0.0.1/") });
    const response = await guardedFetch(
      new Request("https://good.com/", { redirect: "manual" }),
      options,
    );
    expect(response.status).toBe(302);
  });

  it.each([
    [301, "POST", "GET", ""],
    [302, "POST", "GET", ""],
    [303, "POST", "GET", ""],
    [303, "PUT", "GET", ""],
    [302, "PUT", "PUT", "body"],
    [307, "POST", "POST", "body"],
    [308, "POST", "POST", "body"],
    [303, "HEAD", "HEAD", ""],
  ])("on %d a %s goes on as %s with %j", async (status, method, next, body) => {
    const { seen, options } = network({ "https://good.com/a": redirect(status, "/b") });
    const init = method === "HEAD" ? { method } : { method, body: "body" };
    await guardedFetch(new Request("https://good.com/a", init), options);
    expect(seen[1]).toMatchObject({ url: "https://good.com/b", method: next, body });
    expect("content-type" in (seen[1]?.headers ?? {})).toBe(body !== "");
  });

  it.each([
    ["https://good.com/b", true],
    ["https://other.com/b", false],
    ["http://good.com/b", false],
    ["https://good.com:8443/b", false],
  ])("on a redirect to %s keeps credentials: %s", async (location, kept) => {
    const { seen, options } = network({ "https://good.com/a": redirect(307, location) });
    const headers = {
      Authorization: "Bearer x",
      Cookie: "a=b",
      "Proxy-Authorization": "y",
      "X-A": "1",
    };
    await guardedFetch(new Request("https://good.com/a", { headers }), options);
    const sent = seen[1]?.headers ?? {};
    expect(["authorization" in sent, "cookie" in sent, "proxy-authorization" in sent]).toEqual([
      kept,
      kept,
      kept,
    ]);
    expect(sent).toMatchObject({ "x-a": "1" });
  });

  it("follows five redirects and no more", async () => {
    const hops = (count: number) =>
      network(
        Object.fromEntries(
          Array.from({ length: count }, (_, n) => [
            `https://good.com/${n}`,
            redirect(302, `/${n + 1}`),
          ]),
        ),
      );
    const five = hops(5);
    expect((await guardedFetch(new Request("https://good.com/0"), five.options)).status).toBe(200);
    const six = hops(6);
    await expect(guardedFetch(new Request("https://good.com/0"), six.options)).rejects.toThrow(
      refusal(/more than 5 times/),
    );
    expect(six.seen).toHaveLength(6);
  });

  it("reaches what the operator exempts without asking for its address", async () => {
    const { seen, options } = network({
      "http://10.0.0.5:81/": redirect(302, "http://db.internal/"),
    });
    const resolver = { resolve: () => Promise.reject(new Error("not to be asked")) };
    const allowHosts = rules("10.0.0.5:81", "db.internal");
    await guardedFetch(new Request("http://10.0.0.5:81/"), { ...options, resolver, allowHosts });
    expect(seen).toMatchObject([{ exempt: true }, { url: "http://db.internal/", exempt: true }]);
    await expect(
      guardedFetch(new Request("http://10.0.0.5:82/"), { ...options, allowHosts }),
    ).rejects.toThrow(refusal(/private/));
  });

  it("asks the further rule about each hop", async () => {
    const { options } = network({ "https://good.com/": redirect(302, "https://other.com/") });
    const permit = ({ host }: { host: string }) =>
      host === "good.com" ? null : `${host} is not listed`;
    await expect(
      guardedFetch(new Request("https://good.com/"), { ...options, permit }),
    ).rejects.toThrow(refusal(/other\.com is not listed/));
  });

  it("says so when the host cannot be reached, and shows no path or query", async () => {
    const { options } = network();
    const failing = { ...options, sendPublic: () => Promise.reject(new Error("internal error")) };
    const error: unknown = await guardedFetch(
      new Request("https://good.com/key?token=abc"),
      failing,
    ).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: "unavailable",
      detail: expect.stringMatching(/"good\.com" could not be reached/),
    });
    const denied: unknown = await guardedFetch(
      new Request("http://127.0.0.1/key?token=abc"),
      options,
    ).catch((caught: unknown) => caught);
    expect(String(denied)).not.toMatch(/token|key/);
  });

  it("leaves an abort to the caller as it is", async () => {
    const { options } = network();
    const controller = new AbortController();
    const sendPublic = async (request: Request) => {
      controller.abort(new Error("enough"));
      request.signal.throwIfAborted();
      return new Response("late");
    };
    const request = new Request("https://good.com/", { signal: controller.signal });
    await expect(guardedFetch(request, { ...options, sendPublic })).rejects.toThrow("enough");
  });
});

describe("dohResolver", () => {
  const resolve = (answers: Record<string, Response | (() => Promise<Response>)>) =>
    dohResolver("https://dns.example/dns-query?x=1", async (request) => {
      const url = new URL(request.url);
      expect(url.searchParams.get("name")).toBe("good.com");
      expect(url.searchParams.get("x")).toBe("1");
      expect(request.headers.get("accept")).toBe("application/dns-json");
      const answer = answers[url.searchParams.get("type") ?? ""];
      return typeof answer === "function" ? answer() : (answer ?? Response.json({ Status: 0 }));
    }).resolve("good.com");
  const records = (...Answer: object[]) => Response.json({ Status: 0, TC: false, Answer });

  it("gathers both families, without the aliases on the way", async () => {
    const found = await resolve({
      A: records(
        { type: 5, data: "cdn.com." },
        { type: 1, data: "8.8.8.8" },
        { type: 1, data: "8.8.4.4" },
      ),
      AAAA: records({ type: 28, data: "2606:4700::1" }),
    });
    expect(found).toEqual(["8.8.8.8", "8.8.4.4", "2606:4700::1"]);
  });

  it("finds nothing for a name that does not exist", async () => {
    const missing = () => Promise.resolve(Response.json({ Status: 3 }));
    expect(await resolve({ A: missing, AAAA: missing })).toEqual([]);
  });

  it.each<[string, Response | (() => Promise<Response>)]>([
    ["a server failure", Response.json({ Status: 2 })],
    ["an HTTP error", new Response("no", { status: 500 })],
    ["a redirect", new Response(null, { status: 302, headers: { Location: "http://127.0.0.1/" } })],
    ["text that is no JSON", new Response("<html>")],
    ["JSON of another shape", Response.json({ Answer: [] })],
    ["no connection", () => Promise.reject(new Error("lost"))],
  ])("rejects on %s, though the other family is fine", async (_, answer) => {
    await expect(
      resolve({ A: records({ type: 1, data: "8.8.8.8" }), AAAA: answer }),
    ).rejects.toThrow();
  });
});
