/** What a session's server needs of HTTP. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** Listens on a free port of the loopback interface and says which. */
export function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("There is no port."));
      else resolve(address.port);
    });
  });
}

export function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The token is the user of basic authentication; there is no password. */
export function isAuthorized(request: IncomingMessage, token: string): boolean {
  const [scheme, credentials = ""] = (request.headers.authorization ?? "").split(" ");
  const [user] = Buffer.from(credentials, "base64").toString("utf8").split(":");
  return scheme === "Basic" && user === token;
}

/** The body, or null when it is no JSON. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    return null;
  }
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  isCut: () => boolean,
): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
  });
  if (!isCut()) response.end(bytes);
  else response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
}
