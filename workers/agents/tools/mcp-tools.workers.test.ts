/** Tools of outside MCP servers: real ones on loopback, reached through the real guard. */
import { describe, expect, inject, it } from "vitest";
import { z } from "zod";
import type { Json } from "../../http/json.ts";
import { SCOPES, type Scope } from "../../security/principal.ts";
import { unique } from "../../skills/test-support.ts";
import { isolate } from "../../test/app.ts";
import { mcpServersSchema } from "../mcp/spec.ts";
import { TestSession } from "./test-support.ts";

const { call } = isolate();
const { url, credential } = inject("mcpServers");

interface Server {
  readonly [member: string]: Json;
}

function sessionWith(servers: readonly Server[], grants?: readonly Scope[]): TestSession {
  const named = servers.map((server, index) => ({ name: `s${index}`, ...server }));
  return new TestSession({
    mcp_servers: mcpServersSchema.parse(named),
    variables: { OUTBOUND_ALLOW_HOSTS: new URL(url).host },
    tools: [],
    ...(grants !== undefined && { grants }),
  });
}

const at = (path: string, change: Server = {}): Server => ({ url: `${url}${path}`, ...change });
const prepared = (path: string, change: Server = {}) => sessionWith([at(path, change)]).prepare();

/** What the servers were asked from now on. */
async function watch(): Promise<() => Promise<string[]>> {
  const log = async () => z.array(z.string()).parse(await (await fetch(`${url}/log`)).json());
  const before = (await log()).length;
  return async () => (await log()).slice(before);
}

async function secret(): Promise<string> {
  const name = unique("MCP").replaceAll("-", "_").toUpperCase();
  const reply = await call("/api/v1/secrets", { body: { name, value: credential } });
  expect(reply.status, reply.text).toBe(201);
  return name;
}

describe.each(["/modern", "/sessions"])("the server at %s", (path) => {
  it("offers its tools under its name, with what it says of them", async () => {
    const session = await prepared(path);
    expect(session.names).toContain("s0__echo");
    const [echo, add, fail] = session.definitions;
    expect(echo).toMatchObject({
      description: "Says it again.",
      input_schema: { type: "object", required: ["text"] },
      recovery: "rerun",
      is_parallel: true,
    });
    expect(add).toMatchObject({
      name: expect.stringMatching(/^s0__add_numbers_[0-9a-f]{8}$/),
      recovery: "rerun",
      is_parallel: false,
    });
    expect(fail).toMatchObject({ recovery: "report", is_parallel: false });
  });

  it("answers with text, and with structured content once", async () => {
    const session = await prepared(path);
    expect(await session.call("s0__echo", { text: "hello" })).toMatchObject({
      is_error: false,
      output: expect.stringContaining("hello"),
    });
    const add = session.definitions[1]?.name ?? "";
    expect(await session.call(add, { a: 1, b: 2 })).toEqual({
      is_error: false,
      output: { sum: 3 },
    });
  });

  it("tells its errors, and refuses what is no input of the tool", async () => {
    const session = await prepared(path);
    expect(await session.call("s0__fail", {})).toEqual({
      is_error: true,
      output: "No such page.",
    });
    expect(await session.call("s0__echo", { txt: 1 })).toMatchObject({ is_error: true });
  });

  it("names what is no text", async () => {
    const session = await prepared(path);
    const { output } = await session.call("s0__picture", {});
    expect(output).toBe(
      [
        "Look:",
        "[Left out: image of type image/png, about 9 bytes. Tools pass on text alone.]",
        '[Resource "a.txt" (text/plain): file:///a.txt]',
        "[Resource file:///b.txt]\ninside",
      ].join("\n\n"),
    );
  });

  it("is not read beyond a bound, and what is long is cut", async () => {
    const session = await prepared(path);
    expect(await session.call("s0__huge", {})).toMatchObject({
      is_error: true,
      output: expect.stringContaining("more than 1 MiB"),
    });
    expect(await session.call("s0__long", {})).toMatchObject({
      is_error: false,
      output: expect.stringContaining("left out"),
    });
  });

  it("is told when a call is stopped", async () => {
    const session = await prepared(path);
    const log = await watch();
    const stop = new AbortController();
    const running = session.call("s0__stall", {}, { signal: stop.signal });
    await expect.poll(log).toContain(`POST ${path} tools/call`);
    stop.abort();
    expect(await running).toMatchObject({
      is_error: true,
      output: expect.stringContaining("stopped"),
    });
    await expect.poll(log).toContain("cancelled");
  });

  it("has as long as was said", async () => {
    const session = await prepared(path, { timeout_seconds: 1 });
    expect(await session.call("s0__stall", {})).toMatchObject({
      is_error: true,
      output: expect.stringContaining("within 1 s"),
    });
  });
});

describe("a server of 2026", () => {
  it("asks in vain", async () => {
    for (const path of ["/modern", "/asking"]) {
      const session = await prepared(path);
      expect(await session.call("s0__ask", {})).toMatchObject({
        is_error: true,
        output: expect.stringMatching(/(asks for|request) input/),
      });
    }
  });
});

describe("a server of 2025", () => {
  it("is told when its session is over", async () => {
    const log = await watch();
    await prepared("/sessions");
    await expect.poll(log).toContain("session closed");
  });
});

describe("a session", () => {
  it("goes on with the tools that were listed", async () => {
    const session = await prepared("/changing");
    expect(session.names).toEqual(["s0__before"]);
    expect(await session.call("s0__before", {})).toMatchObject({ output: "/changing" });
    expect(await session.call("s0__after", {})).toMatchObject({ is_error: true });
  });

  it("has the tools that are named, with the recovery that is said", async () => {
    const session = await prepared("/modern", { tools: ["fail", "echo"], recovery: "ask" });
    expect(session.definitions).toMatchObject([
      { name: "s0__echo", recovery: "ask", is_parallel: true },
      { name: "s0__fail", recovery: "ask" },
    ]);
  });

  it("sends secrets, and shows them nowhere", async () => {
    const headers = {
      authorization: `\${{ secrets.${await secret()} }}`,
      "x-key": `\${{ secrets.${await secret()} }}`,
    };
    const session = await prepared("/private", { headers });
    const said = await session.call("s0__echo", { text: "I was sent" });
    expect(said).toEqual({ is_error: false, output: "I was sent ***" });
    const leaking = await prepared("/leaking", { headers });
    expect(leaking.definitions[0]?.description).toBe("Made for ***.");
    await expect(prepared("/leaking-name", { headers })).rejects.toMatchObject({
      issues: [{ message: expect.stringContaining("holds a secret") }],
    });
  });

  it("needs the scopes that reach hosts and use secrets, of who calls too", async () => {
    const headers = { authorization: `\${{ secrets.${await secret()} }}` };
    const less = (scope: Scope) => SCOPES.filter((each) => each !== scope);
    for (const [scope, change] of [
      ["skills:network", {}],
      ["skills:secrets", { headers }],
    ] as const) {
      const session = sessionWith([at("/private", change)], less(scope));
      await expect(session.prepare()).rejects.toMatchObject({
        code: "forbidden",
        members: { required_scope: scope },
      });
    }
    const session = await prepared("/modern");
    const refused = await session.call("s0__echo", { text: "a" }, {}, less("skills:network"));
    expect(refused).toMatchObject({
      is_error: true,
      output: expect.stringContaining("skills:network"),
    });
  });
});

describe("names of tools", () => {
  it("fit what providers take, and differ where the server's do", async () => {
    const { names } = await prepared("/odd-names");
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^s0__[a-zA-Z0-9_-]{1,60}$/);
  });
});

describe("a session is not initialized", () => {
  const refusal = (path: string, change: Server = {}) =>
    prepared(path, change).then(
      () => expect.unreachable("it was"),
      (error: unknown) => error,
    );

  it.each([
    ["/private", "refuses the credentials (401)"],
    ["/page", "text/html"],
    ["/nonsense", "no message of the Model Context Protocol"],
    ["/broken", "status 502"],
    ["/nowhere", "status 404"],
    ["/endless", "more than 4 MiB"],
    ["/redirect?to=http://10.0.0.1/", "redirects"],
    ["/redirect?to=http://example.com/", "redirects"],
  ])("by %s", async (path, words) => {
    expect(await refusal(path)).toMatchObject({
      code: "unavailable",
      issues: [{ path: "mcp_servers[0]", message: expect.stringContaining(words) }],
    });
  });

  it.each([
    ["/long-name", "longer than 200 characters"],
    ["/duplicate", '"s0__same"'],
    ["/no-schema", "inputSchema.properties.a.type must be one of"],
    ["/dangling", "leads nowhere"],
    ["/huge-schema", "more than 65536"],
  ])("with the tools of %s", async (path, words) => {
    expect(await refusal(path)).toMatchObject({
      code: "validation_failed",
      issues: [{ path: "mcp_servers[0]", message: expect.stringContaining(words) }],
    });
  });

  it("with more tools than a session takes", async () => {
    expect(await refusal("/many")).toMatchObject({
      issues: [{ path: "mcp_servers", message: expect.stringContaining("129") }],
    });
    expect((await prepared("/many", { tools: ["t7"] })).names).toEqual(["s0__t7"]);
  });

  it("by a server that says nothing, and none that is not there", async () => {
    const silent = await refusal("/silent", { timeout_seconds: 1 });
    expect(silent).toMatchObject({
      issues: [{ message: expect.stringContaining('"s0": It has not answered within 1 s') }],
    });
    const closed = await sessionWith([{ url: "http://127.0.0.1:1/mcp" }])
      .prepare()
      .catch((error: unknown) => error);
    expect(closed).toMatchObject({
      issues: [{ message: expect.stringContaining("is refused") }],
    });
  });

  it("and every server is told of that fails", async () => {
    const session = sessionWith([at("/broken"), at("/modern"), at("/modern", { tools: ["no"] })]);
    await expect(session.prepare()).rejects.toMatchObject({
      issues: [
        { path: "mcp_servers[0]", message: expect.stringContaining("502") },
        {
          path: "mcp_servers[2]",
          message: expect.stringContaining('It has no tool "no". It has: "echo"'),
        },
      ],
    });
  });

  it("without a secret that it names, whose name is told", async () => {
    expect(
      await refusal("/modern", { headers: { "x-key": "${{ secrets.NOT_THERE }}" } }),
    ).toMatchObject({
      issues: [{ message: expect.stringContaining('"NOT_THERE"') }],
    });
  });
});
