/**
 * A way to `/mcp` for a suite that knows neither the service's key nor its names. It adds the key, and
 * calls skills and their files what the suite calls them: no slug can be `test_simple_text`, and no URI
 * of a skill `test://static-text`.
 */
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { z } from "zod";

/** Texts that stand for others. */
type Names = Readonly<Record<string, string>>;

export interface ProxyOptions {
  readonly target: string;
  readonly key: string;
  /** Names of tools and prompts as the suite has them, and the slugs of the skills that they are. */
  readonly names: Names;
  /** URIs as the suite has them, and those of the files that they are. */
  readonly uris: Names;
}

const messageSchema = z.object({ method: z.string() });

export class McpProxy {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.url = `http://localhost:${port}/mcp`;
    this.#server = server;
  }

  static async start(options: ProxyOptions): Promise<McpProxy> {
    const server = createServer((incoming, outgoing) => {
      relay(incoming, outgoing, options).catch(() => outgoing.destroy());
    });
    server.listen(0, "localhost");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("It listens nowhere.");
    return new McpProxy(server, address.port);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function relay(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: ProxyOptions,
): Promise<void> {
  const sent = await read(incoming);
  const names = namesIn(sent, options);
  const body = rename(sent, names);
  const call = request(new URL(incoming.url ?? "/", options.target), {
    method: incoming.method ?? "GET",
    headers: headersOf(incoming.headers, names, options.key, Buffer.byteLength(body)),
  });
  outgoing.once("close", () => call.destroy());
  call.end(body);
  const [answer]: IncomingMessage[] = await once(call, "response");
  if (answer === undefined) throw new Error("Nothing was answered.");
  const { "content-length": _, ...headers } = answer.headers;
  outgoing.writeHead(answer.statusCode ?? 502, headers);
  answer.setEncoding("utf8");
  const back = Object.fromEntries(Object.entries(names).map(([theirs, ours]) => [ours, theirs]));
  for await (const text of answer) outgoing.write(rename(String(text), back));
  outgoing.end();
}

/** What stands for something else in a message, and in the answer to it. */
function namesIn(body: string, { names, uris }: ProxyOptions): Names {
  const method = methodOf(body);
  if (method === "resources/read") return uris;
  return /^(?:tools|prompts)\//.test(method) ? names : {};
}

function methodOf(body: string): string {
  try {
    return messageSchema.parse(JSON.parse(body)).method;
  } catch {
    return "";
  }
}

function headersOf(
  sent: IncomingHttpHeaders,
  names: Names,
  key: string,
  length: number,
): IncomingHttpHeaders {
  const name = String(sent["mcp-name"]);
  const ours = names[name.trim()];
  return {
    ...sent,
    authorization: `Bearer ${key}`,
    "content-length": String(length),
    ...(ours !== undefined && { "mcp-name": name.replace(name.trim(), ours) }),
  };
}

/** Of whole texts in JSON alone. */
function rename(text: string, names: Names): string {
  return Object.entries(names).reduce(
    (renamed, [from, to]) => renamed.replaceAll(`:"${from}"`, `:"${to}"`),
    text,
  );
}

async function read(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
