/**
 * What a session of an agent meets: a model that reports twice and then answers, and the MCP server that
 * it reports to, which counts. Both tell how far they are, so that a test can strike there.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { listen, type WebServer } from "./web-server.ts";

/** In the order in which a turn comes by; the first of a step each, but of the effect. */
export const POINTS = [
  "model_asked",
  "text_begun",
  "text_half",
  "call_written",
  "reply_written",
  "tool_called",
  "effect_done",
  "tool_answered",
] as const;
export type Point = (typeof POINTS)[number];

/** Reports of a turn before its answer. */
export const REPORTS = 2;
const PIECES = 12;
const PAUSE_MS = 8;

const requestSchema = z.object({
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
});
const TURN = /turn-(\d+)/g;

/** What the model answers in the end of a turn. */
export const answerOf = (turn: number) =>
  Array.from({ length: PIECES }, (_, piece) => `t${turn}p${piece} `).join("");

export class AgentWorld {
  /** Called at a point of a step; steps of a turn count from 0. */
  reach: (point: Point, step: number) => void = () => undefined;
  /** How often each report was made. */
  readonly reports = new Map<string, number>();
  #server: WebServer | null = null;

  async start(): Promise<void> {
    const mcp = createMcpHandler(() => this.#tools(), { legacy: "reject" });
    this.#server = await listen(async (request) => {
      if (new URL(request.url).pathname !== "/mcp") return this.#complete(request);
      const isCall = (await request.clone().text()).includes('"tools/call"');
      const response = await mcp.fetch(request);
      if (!isCall) return response;
      const body = await response.arrayBuffer();
      setTimeout(() => this.reach("tool_answered", 0), PAUSE_MS);
      return new Response(body, response);
    });
  }

  get url(): string {
    if (this.#server === null) throw new Error("The world has not begun.");
    return this.#server.url;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  /** One tool, of which nothing says that it may be done twice. */
  #tools(): McpServer {
    const mcp = new McpServer({ name: "world", version: "1" });
    const inputSchema = z.object({ token: z.string() });
    mcp.registerTool("report", { inputSchema }, async ({ token }) => {
      const step = Number(token.split(".")[1]);
      this.reach("tool_called", step);
      this.reports.set(token, (this.reports.get(token) ?? 0) + 1);
      this.reach("effect_done", step);
      await delay(PAUSE_MS);
      return { content: [{ type: "text", text: `reported ${token}` }] };
    });
    return mcp;
  }

  async #complete(request: Request): Promise<Response> {
    const { messages } = requestSchema.parse(await request.json());
    const [, turn = "0"] =
      [...JSON.stringify(messages.filter(({ role }) => role === "user")).matchAll(TURN)].at(-1) ??
      [];
    const asked = messages.findLastIndex(({ role }) => role === "user");
    const step = messages.slice(asked).filter(({ role }) => role === "tool").length;
    this.reach("model_asked", step);
    const pieces = this.#write(Number(turn), step);
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  async *#write(turn: number, step: number): AsyncGenerator<Uint8Array> {
    const piece = (delta: object, finish: string | null = null, more: object = {}) => {
      const choices = [{ index: 0, delta, finish_reason: finish }];
      const chunk = { id: "c", object: "chat.completion.chunk", created: 0, model: "world" };
      return Buffer.from(`data: ${JSON.stringify({ ...chunk, choices, ...more })}\n\n`);
    };
    yield piece({ role: "assistant", content: "" });
    for (const [at, word] of answerOf(turn)
      .split(/(?<= )/)
      .entries()) {
      yield piece({ content: word });
      await delay(PAUSE_MS);
      if (at === 0) this.reach("text_begun", step);
      if (at === PIECES / 2) this.reach("text_half", step);
    }
    const isReport = step < REPORTS;
    if (isReport) {
      const call = {
        ...{ index: 0, id: `call_${turn}_${step}`, type: "function" },
        function: {
          name: "world__report",
          arguments: JSON.stringify({ token: `${turn}.${step}` }),
        },
      };
      yield piece({ tool_calls: [call] });
      await delay(PAUSE_MS);
      this.reach("call_written", step);
    }
    const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 };
    yield piece({}, isReport ? "tool_calls" : "stop", { usage });
    yield Buffer.from("data: [DONE]\n\n");
    this.reach("reply_written", step);
  }
}
