/** A server outside the service that webhooks are sent to: it verifies, notes, and answers as a test says. */
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { z } from "zod";

const bodySchema = z.object({
  type: z.string(),
  timestamp: z.iso.datetime(),
  data: z.looseObject({
    id: z.string(),
    kind: z.string(),
    project_id: z.string(),
    seq: z.number(),
  }),
});

export interface Received {
  readonly path: string;
  readonly id: string;
  readonly correlation: string;
  readonly text: string;
  readonly body: z.output<typeof bodySchema>;
  /** Whether each signature of the request is by the secret of its path, in their order. */
  readonly signed: readonly boolean[];
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Receiver {
  readonly received: Received[] = [];
  /** What is answered from now on. */
  answer: (received: Received) => Answer | Promise<Answer> = () => ({ status: 204 });
  /** By path. */
  readonly secrets = new Map<string, string>();
  #server: Server | null = null;
  port = 0;

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  url(path: string): string {
    return `http://${this.host}${path}`;
  }

  at(path: string): readonly Received[] {
    return this.received.filter((each) => each.path === path);
  }

  /** Listens where it did before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      void this.#take(request).then(async (received) => {
        const { status, headers } = await this.answer(received);
        response.writeHead(status, { ...headers });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("No port was given.");
    this.port = address.port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async #take(request: IncomingMessage): Promise<Received> {
    const text = await textOf(request);
    const header = (name: string) => String(request.headers[name] ?? "");
    const path = request.url ?? "";
    const id = header("webhook-id");
    const key = Buffer.from((this.secrets.get(path) ?? "").replace("whsec_", ""), "base64");
    const mac = createHmac("sha256", key).update(`${id}.${header("webhook-timestamp")}.${text}`);
    const expected = `v1,${mac.digest("base64")}`;
    const received = {
      ...{ path, id, text, correlation: header("x-correlation-id") },
      body: bodySchema.parse(JSON.parse(text)),
      signed: header("webhook-signature")
        .split(" ")
        .map((signature) => signature === expected),
    };
    this.received.push(received);
    return received;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const piece of request) text += String(piece);
  return text;
}
