/**
 * A model server for measurements: it speaks OpenAI's chat completions, streamed, and what it writes
 * is the time at which it writes it. The prompt says how: `pieces=N pause=MS`.
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

export const CLOCK_MODEL = "openai/clock";

const requestSchema = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.unknown() })),
});
const HOW = /pieces=(\d+) pause=(\d+)/g;

export interface ClockModel {
  /** As OPENAI_BASE_URL. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startClockModel(): Promise<ClockModel> {
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(Buffer.from(piece));
    const { messages } = requestSchema.parse(JSON.parse(Buffer.concat(pieces).toString()));
    // The newest instruction is the last that any message has.
    const [, count = "1", pause = "0"] = [...JSON.stringify(messages).matchAll(HOW)].at(-1) ?? [];
    await write(response, Number(count), Number(pause));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}/v1`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function write(response: ServerResponse, count: number, pause: number): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (delta: object, finish: string | null = null, more: object = {}) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    const chunk = { id: "c", object: "chat.completion.chunk", created: 0, model: "clock" };
    response.write(`data: ${JSON.stringify({ ...chunk, choices, ...more })}\n\n`);
  };
  send({ role: "assistant", content: "" });
  for (let piece = 0; piece < count && !response.destroyed; piece += 1) {
    send({ content: `${Date.now()} ` });
    if (pause > 0) await delay(pause);
  }
  const usage = { prompt_tokens: 10, completion_tokens: count, total_tokens: 10 + count };
  send({}, "stop", { usage });
  response.end("data: [DONE]\n\n");
}
