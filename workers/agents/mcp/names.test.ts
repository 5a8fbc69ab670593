import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { serverPattern, toolNameOf } from "./names.ts";

const tools = fc.oneof(
  fc.string({ minLength: 1, maxLength: 200 }),
  fc.stringMatching(/^[a-z_]{1,80}$/),
);

describe("the name of an MCP server's tool", () => {
  it("is its own behind the server's, where that fits", () => {
    expect(toolNameOf("issues", "list_open-ones")).toBe("issues__list_open-ones");
    expect(toolNameOf("issues", "list.open")).toMatch(/^issues__list_open_[0-9a-f]{8}$/);
  });

  it("is always one that providers take, of that server alone, and differs as the tools do", () => {
    fc.assert(
      fc.property(tools, tools, (first, second) => {
        const server = "a-server-of-thirty-two-characters".slice(0, 32);
        const name = toolNameOf(server, first);
        expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
        expect(serverPattern(name)).toBe(`${server}__*`);
        expect(name === toolNameOf(server, second)).toBe(first === second);
      }),
    );
  });

  it("has a pattern that no other tool has", () => {
    expect(serverPattern("run_task")).toBeNull();
    expect(serverPattern("__odd")).toBeNull();
  });
});
