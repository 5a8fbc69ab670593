/** One HTTP request and its reply. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";

/** A refusal in the shape that the control plane and envd's REST share. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    this.url = new URL(request.url ?? "/", "http://localhost");
  }

  get method(): string {
    return this.request.method ?? "GET";
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  query(name: string): string | undefined {
    return this.url.searchParams.get(name) ?? undefined;
  }

  async bytes(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.request) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  }

  /** The body, parsed; an empty one is an empty object. Refuses another with 400. */
  async body<T>(schema: z.ZodType<T>): Promise<T> {
    const text = (await this.bytes()).toString("utf8");
    let value: unknown;
    try {
      value = text === "" ? {} : JSON.parse(text);
    } catch {
      throw new HttpError(400, "the body is not JSON");
    }
    const outcome = schema.safeParse(value);
    if (outcome.success) return outcome.data;
    throw new HttpError(400, z.prettifyError(outcome.error));
  }

  json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
    const type = { "content-type": "application/json; charset=utf-8" };
    this.response.writeHead(status, { ...type, ...headers }).end(JSON.stringify(value));
  }

  empty(status: number): void {
    this.response.writeHead(status).end();
  }

  refuse({ status, message, headers }: HttpError): void {
    this.json(status, { code: status, message }, headers);
  }

  /** Writes a part of the reply; a promise comes back when the client is slower than the writer. */
  write(part: Uint8Array): Promise<void> | undefined {
    if (this.response.destroyed || this.response.write(part)) return;
    const settled = new AbortController();
    const events = ["drain", "close"].map((event) =>
      once(this.response, event, { signal: settled.signal }).catch(() => undefined),
    );
    return Promise.race(events).then(() => settled.abort());
  }

  /** Breaks the connection, without a word. */
  drop(): void {
    this.request.socket.destroy();
  }

  get isDropped(): boolean {
    return this.request.socket.destroyed;
  }
}
