/** One HTTP request on a kept connection, timed from its start to the last byte of its answer. */
import { type Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";

export interface Request {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly took_ms: number;
}

function send(agent: Agent, { url, method, headers, body }: Request): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === null ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = request(url, { agent, method, headers: { ...headers, ...length } }, resolve);
    sent.once("error", reject);
    sent.end(body ?? undefined);
  });
}

export async function ask(agent: Agent, asked: Request): Promise<Answer> {
  const began = performance.now();
  const response = await send(agent, asked);
  const body = await text(response);
  return { status: response.statusCode ?? 0, body, took_ms: performance.now() - began };
}
