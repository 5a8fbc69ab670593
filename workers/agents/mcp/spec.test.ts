import { describe, expect, it } from "vitest";
import { toIssues } from "../../http/issues.ts";
import { mcpServersSchema, usesSecrets } from "./spec.ts";

const URL = "https://mcp.example.com/mcp";
const server = (change: Record<string, unknown> = {}) => ({ name: "issues", url: URL, ...change });

function issuesOf(...servers: unknown[]): string[] {
  const { error } = mcpServersSchema.safeParse(servers);
  return error === undefined ? [] : toIssues(error).map(({ path }) => path);
}

describe("an MCP server of a session", () => {
  it("needs a name and an address", () => {
    expect(mcpServersSchema.parse([server()])).toEqual([
      {
        name: "issues",
        url: URL,
        headers: {},
        tools: null,
        recovery: null,
        timeout_seconds: 60,
      },
    ]);
    expect(issuesOf({})).toEqual(["[0].name", "[0].url"]);
  });

  it.each([
    [{ name: "Issues" }, "[0].name"],
    [{ name: "a".repeat(33) }, "[0].name"],
    [{ name: "a__b" }, "[0].name"],
    [{ url: "mcp.example.com" }, "[0].url"],
    [{ url: "ftp://mcp.example.com" }, "[0].url"],
    [{ url: "https://mcp.example.com/${{ inputs.path }}" }, "[0].url"],
    [{ tools: [] }, "[0].tools"],
    [{ timeout_seconds: 0 }, "[0].timeout_seconds"],
    [{ recovery: "attach" }, "[0].recovery"],
    [{ command: "npx" }, "[0].command"],
    [{ headers: { "a b": "c" } }, '[0].headers["a b"]'],
    [{ headers: { Host: "a" } }, "[0].headers.Host"],
    [{ headers: { "Mcp-Session-Id": "a" } }, "[0].headers.Mcp-Session-Id"],
    [{ headers: { key: "a\nb" } }, "[0].headers.key"],
    [{ headers: { key: "Bearer ${{ secrets.TOKEN }}" } }, "[0].headers.key"],
    [{ headers: { key: "${{ inputs.token }}" } }, "[0].headers.key"],
    [{ headers: { key: "a", KEY: "b" } }, "[0].headers"],
  ])("is refused with %j", (change, path) => {
    expect(issuesOf(server(change))).toEqual([path]);
  });

  it("has a name of its own, and is one of ten", () => {
    expect(issuesOf(server(), server())).toEqual(["[1].name"]);
    const many = Array.from({ length: 11 }, (_, index) => server({ name: `s${index}` }));
    expect(issuesOf(...many)).toEqual([""]);
  });

  it("uses secrets where a header is one", () => {
    expect(usesSecrets({ headers: { key: "plain" } })).toBe(false);
    expect(usesSecrets({ headers: { key: "${{ secrets.TOKEN }}" } })).toBe(true);
  });
});
