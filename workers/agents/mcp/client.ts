/** The protocol itself, as the official client speaks it: 2026-07-28, and 2025 with and without sessions. */
import {
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import type { CallAnswer } from "./content.ts";
import type { Exchange, Fetch } from "./exchange.ts";
import type { ListedTool } from "./pinned.ts";

const MAX_PAGES = 20;

export interface Connection {
  readonly url: string;
  readonly headers: Headers;
  readonly version: string;
  readonly timeout_ms: number;
  readonly exchange: Exchange;
  readonly fetch: Fetch;
}

export interface Call {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** The trace context that it belongs to, by the names of its headers. */
  readonly meta: Readonly<Record<string, string>>;
  /** As it was listed. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** All that it lists. */
export function listTools(connection: Connection): Promise<readonly ListedTool[]> {
  return connected(connection, async (client) => {
    const options = { timeout: connection.timeout_ms, signal: connection.exchange.signal };
    return (await client.listTools(undefined, options)).tools;
  });
}

export function callTool(connection: Connection, call: Call): Promise<CallAnswer> {
  return connected(connection, (client) =>
    client.callTool(
      { name: call.tool, arguments: { ...call.input }, _meta: { ...call.meta } },
      {
        timeout: connection.timeout_ms,
        signal: connection.exchange.signal,
        // By it the client knows which arguments are sent as headers too.
        toolDefinition: { name: call.tool, inputSchema: { ...call.inputs, type: "object" } },
      },
    ),
  );
}

/** What the server has said against a request; null when it has said nothing. */
export function refusalOf(error: unknown): string | null {
  return error instanceof ProtocolError ? error.message : null;
}

/** Whether the server wants to know something of a user before it answers. */
export function asksForInput(error: unknown): boolean {
  return error instanceof SdkError && error.code === SdkErrorCode.UnsupportedResultType;
}

/** Whether it lists more pages than are read. */
export function listsTooMuch(error: unknown): boolean {
  return error instanceof SdkError && error.code === SdkErrorCode.ListPaginationExceeded;
}

async function connected<Value>(
  { url, headers, version, timeout_ms, exchange, fetch }: Connection,
  body: (client: Client) => Promise<Value>,
): Promise<Value> {
  const client = new Client(
    { name: "pipelzr", version },
    {
      versionNegotiation: { mode: "auto" },
      inputRequired: { autoFulfill: false },
      listMaxPages: MAX_PAGES,
    },
  );
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch,
    requestInit: { headers },
    // A stream that breaks off is not taken up again: what it has done by then is not known.
    reconnectionOptions: {
      initialReconnectionDelay: 0,
      maxReconnectionDelay: 0,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 0,
    },
  });
  try {
    await client.connect(transport, { timeout: timeout_ms, signal: exchange.signal });
    return await body(client);
  } finally {
    void farewell(client, transport, exchange);
  }
}

/** Nobody waits for it, and nothing follows from its failure. */
async function farewell(
  client: Client,
  transport: StreamableHTTPClientTransport,
  exchange: Exchange,
): Promise<void> {
  try {
    if (transport.sessionId !== undefined) await transport.terminateSession();
    await client.close();
  } catch {
    // The server has been told, or is not to be had.
  } finally {
    exchange.close();
  }
}
