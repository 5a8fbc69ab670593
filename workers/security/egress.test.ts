/** The egress of a task as `npm start` wires it: a Dynamic Worker, real sockets, workerd's filter. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { networkInterfaces } from "node:os";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { EGRESS_NETWORK_BINDING } from "./outbound-network.ts";

const HOST_WORKER = `
import { Egress } from "./egress.ts";
export { Egress };
export default {
  async fetch(request, env, ctx) {
    const { code, allow, direct } = await request.json();
    if (direct) {
      const outcome = await env.EGRESS_NETWORK.fetch(direct).then(() => "reached", () => "refused");
      return Response.json({ value: outcome });
    }
    const worker = env.LOADER.load({
      compatibilityDate: "2026-11-01",
      mainModule: "main.js",
      modules: { "main.js": code },
      globalOutbound: ctx.exports.Egress({ props: { allow, project_id: "default" } }),
    });
    return worker.getEntrypoint().fetch("http://task/");
  },
};
`;

const taskModule = (body: string) => `
import { connect } from "cloudflare:sockets";
async function task() { ${body} }
export default {
  async fetch() {
    try { return Response.json({ value: await task() }); }
    catch (error) { return Response.json({ error: error.message, detail: error.detail }); }
  },
};
`;

const outcomeSchema = z.object({
  value: z.unknown().optional(),
  error: z.string().optional(),
  detail: z.string().optional(),
});

const servers: Server[] = [];

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0);
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describe("egress of a task", () => {
  let exemptPort: number;
  let privatePort: number;
  let reachedPrivate = 0;
  let local: Miniflare;
  let deployed: Miniflare;

  const start = (script: string, binding: object, variables: Record<string, string>) =>
    new Miniflare({
      // workerd logs each connection it refuses, which is what is tested here.
      handleStructuredLogs: () => undefined,
      workers: [
        {
          config: {
            name: "egress",
            compatibilityDate: "2026-11-01",
            manifest: {
              mainModule: "main.js",
              modulesRoot: "/",
              modules: { "main.js": { type: "esm", contents: script } },
            },
            env: {
              LOADER: { type: "worker-loader" },
              ...binding,
              ...Object.fromEntries(
                Object.entries(variables).map(([name, value]) => [name, { type: "text", value }]),
              ),
            },
          },
        },
      ],
    });

  async function run(mf: Miniflare, allow: readonly string[], body: string) {
    const request = { method: "POST", body: JSON.stringify({ code: taskModule(body), allow }) };
    const response = await mf.dispatchFetch("http://egress/", request);
    return outcomeSchema.parse(await response.json());
  }

  beforeAll(async () => {
    privatePort = await serve((_, response) => {
      reachedPrivate += 1;
      response.end("private");
    });
    exemptPort = await serve((request, response) => {
      if (request.url === "/redirect") {
        response.writeHead(302, { Location: `http://127.0.0.1:${privatePort}/` }).end();
      } else request.pipe(response);
    });
    const dohPort = await serve((request, response) => {
      const type = new URL(request.url ?? "", "http://dns").searchParams.get("type");
      const Answer = type === "A" ? [{ type: 1, data: "127.0.0.1" }] : [];
      response.end(JSON.stringify({ Status: 0, Answer }));
    });
    const bundle = await build({
      stdin: { contents: HOST_WORKER, resolveDir: import.meta.dirname, loader: "ts" },
      bundle: true,
      write: false,
      format: "esm",
      external: ["cloudflare:*", "node:*"],
    });
    const script = bundle.outputFiles[0]?.text ?? "";
    const variables = {
      OUTBOUND_ALLOW_HOSTS: `127.0.0.1:${exemptPort}`,
      OUTBOUND_DOH_URL: `http://127.0.0.1:${dohPort}/dns-query`,
    };
    local = start(script, { EGRESS_NETWORK: EGRESS_NETWORK_BINDING }, variables);
    deployed = start(script, {}, variables);
    await Promise.all([local.ready, deployed.ready]);
  }, 30_000);

  afterAll(async () => {
    await Promise.all([local.dispose(), deployed.dispose()]);
    for (const server of servers) server.close();
  });

  it("reaches a host that the task lists and the operator exempts", async () => {
    const body = `const r = await fetch("http://127.0.0.1:${exemptPort}/", { method: "POST", body: "echo" }); return r.text();`;
    expect(await run(local, ["127.0.0.1"], body)).toEqual({ value: "echo" });
    expect(await run(deployed, [`127.0.0.1:${exemptPort}`], body)).toEqual({ value: "echo" });
  });

  it("names the host that is not listed, and how to list it", async () => {
    const { error, detail } = await run(local, ["good.com"], `await fetch("https://other.com/");`);
    expect(error).toMatch(
      /"other\.com" \(port 443\) is not in the task's network\.allow; add "other\.com"/,
    );
    expect(detail).toBeUndefined();
  });

  it("follows no redirect from a listed host to a private one", async () => {
    const body = `return (await fetch("http://127.0.0.1:${exemptPort}/redirect")).text();`;
    expect((await run(local, ["*"], body)).error).toMatch(/loopback/);
    expect((await run(deployed, ["*"], body)).error).toMatch(/loopback/);
  });

  it("refuses a listed host that is private", async () => {
    const body = `await fetch("http://127.0.0.1:${privatePort}/");`;
    expect((await run(local, ["127.0.0.1"], body)).error).toMatch(/not public: loopback/);
  });

  it("refuses a name that resolves to a private address where only the guard checks", async () => {
    const body = `await fetch("http://good.com:${privatePort}/");`;
    expect((await run(deployed, ["good.com"], body)).error).toMatch(
      /"good\.com" resolves to .*127\.0\.0\.1/,
    );
  });

  it("opens no raw sockets", async () => {
    const body = `const s = connect("127.0.0.1:${exemptPort}"); await s.opened; return "open";`;
    expect(await run(local, ["*"], body)).toEqual({ error: expect.stringMatching(/connect/) });
  });

  it("connects to no private address, whatever the guard let through", async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ address, family }) => (family === "IPv6" ? `[${address.split("%")[0]}]` : address));
    const hosts = [
      "127.0.0.1",
      "localhost",
      "[::1]",
      "0.0.0.0",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::127.0.0.1]",
      ...own,
    ];
    for (const host of hosts) {
      const direct = `http://${host}:${privatePort}/`;
      const response = await local.dispatchFetch("http://egress/", {
        method: "POST",
        body: JSON.stringify({ direct }),
      });
      expect(await response.json(), host).toEqual({ value: "refused" });
    }
    expect(reachedPrivate).toBe(0);
  });
});
