/** A server on loopback whose handler speaks the requests and responses of the web. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

type Handler = (request: Request) => Response | Promise<Response>;

export interface WebServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function listen(answer: Handler): Promise<WebServer> {
  // What a client gives up is no failure of a server.
  const http = createServer(
    (incoming, outgoing) => void serve(answer, incoming, outgoing).catch(() => outgoing.destroy()),
  );
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = z
    .custom<AddressInfo>((address) => typeof address === "object")
    .parse(http.address());
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
}

async function serve(
  answer: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const stop = new AbortController();
  outgoing.on("close", () => stop.abort());
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method = "GET", url = "/", headers } = incoming;
  const request = new Request(new URL(url, `http://${headers.host}`), {
    method,
    headers: Object.entries(headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]),
    body: chunks.length === 0 ? null : Buffer.concat(chunks),
    signal: stop.signal,
  });
  const response = await answer(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  const body = response.body?.getReader();
  for (;;) {
    const { value, done } = (await body?.read()) ?? { value: undefined, done: true };
    if (done || outgoing.destroyed) break;
    if (!outgoing.write(value)) await once(outgoing, "drain", { signal: stop.signal });
  }
  outgoing.end();
}
