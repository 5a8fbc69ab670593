/** The protocol as tests speak it: one message a request, of 2026-07-28 unless said. */
import { expect } from "vitest";
import { z } from "zod";
import type { Call, CallInit } from "../test/app.ts";

export const MODERN = "2026-07-28";
export const LEGACY = "2025-11-25";
export const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

const replySchema = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.union([z.string(), z.number()]).nullable(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z
    .object({ code: z.number(), message: z.string(), data: z.unknown().optional() })
    .optional(),
});
export const toolResultSchema = z.looseObject({
  content: z.array(z.object({ type: z.literal("text"), text: z.string() })),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().optional(),
});
export type ToolResult = z.output<typeof toolResultSchema>;

export interface Speech extends CallInit {
  /** What the client says that it can do. */
  readonly capabilities?: Record<string, unknown>;
  readonly path?: string;
}

export function speaker(call: Call) {
  const post = (message: Record<string, unknown>, { path = "/mcp", ...init }: Speech) =>
    call(path, {
      ...init,
      body: message,
      headers: { accept: "application/json, text/event-stream", ...init.headers },
    });

  async function send(method: string, params: Record<string, unknown> = {}, speech: Speech = {}) {
    const { capabilities = {}, ...init } = speech;
    const name = params.name ?? params.uri ?? params.taskId;
    const reply = await post(
      {
        ...{ jsonrpc: "2.0", id: 1, method },
        params: {
          ...params,
          _meta: {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
          },
        },
      },
      {
        ...init,
        headers: {
          ...{ "mcp-protocol-version": MODERN, "mcp-method": method },
          ...(typeof name === "string" && { "mcp-name": name }),
          ...init.headers,
        },
      },
    );
    return { http: reply, ...read(reply.text) };
  }

  async function ask(method: string, params: Record<string, unknown> = {}, speech: Speech = {}) {
    const { http, result, error } = await send(method, params, speech);
    expect(error, http.text).toBeUndefined();
    expect(http.status, http.text).toBe(200);
    return result ?? {};
  }

  return {
    send,
    /** The result, which there has to be. */
    ask,
    async callTool(name: string, args: unknown = {}, speech: Speech = {}): Promise<ToolResult> {
      return toolResultSchema.parse(await ask("tools/call", { name, arguments: args }, speech));
    },
    /** As clients of 2025 do, without a session. */
    async askLegacy(method: string, params: Record<string, unknown> = {}) {
      const message = { jsonrpc: "2.0", id: 1, method, params };
      const reply = await post(message, { headers: { "mcp-protocol-version": LEGACY } });
      expect(reply.status, reply.text).toBe(200);
      return read(reply.text).result ?? {};
    },
  };
}

/** A message by itself, or the last event of a stream. */
function read(text: string) {
  const data = /^data: (.*)$/m.exec(text.trimEnd().split("\n\n").at(-1) ?? "")?.[1] ?? text;
  const { data: reply } = replySchema.safeParse(parse(data));
  return { result: reply?.result, error: reply?.error };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function textOf({ content }: ToolResult): string {
  return content.map(({ text }) => text).join("\n");
}

/** A key of its own, for tests of what it may. */
export async function mintKey(
  call: Call,
  body: { readonly scopes: readonly string[]; readonly projects?: readonly string[] },
): Promise<string> {
  const reply = await call("/api/v1/keys", { body: { name: "mcp", ...body } });
  expect(reply.status, reply.text).toBe(201);
  return z.object({ key: z.string() }).parse(reply.body).key;
}

/** Code of a skill, with any inputs. */
export const script = (code: string) => ({
  implementation: { type: "typescript", script: code },
  inputs: null,
});
