/** MCP servers of others: their tools are listed once, and called each time over a connection of its own. */
import { AttemptFailed } from "../../executors/outcome.ts";
import type { SecretResolver } from "../../executors/port.ts";
import { resolveHeaders } from "../../executors/secret-headers.ts";
import { ApiError, type Issue } from "../../http/errors.ts";
import type { Json } from "../../http/json.ts";
import { asApiError } from "../../http/problem.ts";
import type { RequestTrace } from "../../http/trace.ts";
import { createMasker, type Masker, SecretsTooLargeError } from "../../security/masking.ts";
import type { Outbound } from "../../security/outbound.ts";
import type { ToolResult } from "../tool-port.ts";
import type { Connection } from "./client.ts";
import { resultOf } from "./content.ts";
import { Exchange } from "./exchange.ts";
import {
  jsonObject,
  type McpEndpoint,
  type McpTool,
  type PinnedServer,
  pinnedServer,
} from "./pinned.ts";
import type { McpServer } from "./spec.ts";

const MEBIBYTE = 1024 * 1024;
/** What is answered is held in the memory of the session's object. */
const MAX_LIST_BYTES = 4 * MEBIBYTE;
const MAX_ANSWER_BYTES = MEBIBYTE;
/** Somebody may wait for the session to be initialized. */
const MAX_LIST_MS = 30_000;
/** More would crowd the model's context, and more than most providers take. */
const MAX_TOOLS = 128;
const MAX_SAID_CHARS = 500;

export interface McpServersDeps {
  readonly secrets: SecretResolver;
  readonly outbound: Outbound;
  /** Of this service, which servers are told. */
  readonly version: string;
}

type Speech<Value> = (connection: Connection, masker: Masker) => Promise<Value>;

export class McpServers {
  readonly #deps: McpServersDeps;

  constructor(deps: McpServersDeps) {
    this.#deps = deps;
  }

  /**
   * The servers with the tools that they list now. Throws `unavailable` or `validation_failed`, with
   * what is wrong with each server.
   */
  async pin(projectId: string, servers: readonly McpServer[]): Promise<PinnedServer[]> {
    const outcomes = await Promise.all(
      servers.map((server) => this.#pinOne(projectId, server).catch(toApiError)),
    );
    const pinned: PinnedServer[] = [];
    const issues: Issue[] = [];
    let isUnavailable = false;
    for (const [index, outcome] of outcomes.entries()) {
      if (!(outcome instanceof ApiError)) pinned.push(outcome);
      else {
        isUnavailable ||= outcome.code === "unavailable";
        const path = `mcp_servers[${index}]`;
        issues.push({ path, message: `"${servers[index]?.name}": ${outcome.detail}` });
      }
    }
    const count = pinned.flatMap(({ tools }) => tools).length;
    if (count > MAX_TOOLS) {
      const message = `They have ${count} tools together, and a session takes ${MAX_TOOLS}. Name those to offer in each server's tools.`;
      issues.push({ path: "mcp_servers", message });
    }
    if (issues.length === 0) return pinned;
    throw new ApiError(
      isUnavailable ? "unavailable" : "validation_failed",
      "The tools of the agent's MCP servers are not to be had. Initialize it again once that is mended.",
      { issues },
    );
  }

  /** Never throws for what the server does: that is a result with `is_error`. */
  async call(
    projectId: string,
    server: McpEndpoint,
    { tool, inputs }: McpTool,
    { input, trace }: { readonly input: Json; readonly trace: RequestTrace | null },
    signal: AbortSignal,
  ): Promise<ToolResult> {
    const limits = {
      timeout_ms: server.timeout_seconds * 1000,
      max_bytes: MAX_ANSWER_BYTES,
      signal,
    };
    try {
      return await this.#speak(projectId, server, limits, async (connection, masker) => {
        const { callTool } = await import("./client.ts");
        // By SEP-414, as the headers of a request would be.
        const { traceparent = null, tracestate = null } = trace ?? {};
        const meta = {
          ...(traceparent !== null && { traceparent }),
          ...(tracestate !== null && { tracestate }),
        };
        const call = { tool, inputs, input: jsonObject.parse(input), meta };
        const { output, is_error } = resultOf(await callTool(connection, call));
        return { output: masker.maskJson(output), is_error };
      });
    } catch (error) {
      const output = `The MCP server "${server.name}" failed the call. ${toApiError(error).detail}`;
      return { output, is_error: true };
    }
  }

  #pinOne(projectId: string, server: McpServer): Promise<PinnedServer> {
    const limits = {
      timeout_ms: Math.min(server.timeout_seconds * 1000, MAX_LIST_MS),
      max_bytes: MAX_LIST_BYTES,
      signal: new AbortController().signal,
    };
    return this.#speak(projectId, server, limits, async (connection, masker) => {
      const { listTools } = await import("./client.ts");
      const { tools, ...endpoint } = pinnedServer(server, await listTools(connection));
      return { ...endpoint, tools: tools.map((tool) => masked(tool, masker)) };
    });
  }

  /** Throws `ApiError`, in which no secret stands. */
  async #speak<Value>(
    projectId: string,
    { url, headers: given }: McpEndpoint,
    limits: {
      readonly timeout_ms: number;
      readonly max_bytes: number;
      readonly signal: AbortSignal;
    },
    speech: Speech<Value>,
  ): Promise<Value> {
    const { secrets, outbound, version } = this.#deps;
    const { headers, secretValues } = await resolveHeaders(given, projectId, secrets);
    const masker = createMasker(secretValues);
    const exchange = new Exchange(outbound, limits);
    try {
      return await exchange.run((fetch) => {
        const { timeout_ms } = limits;
        return speech({ url, headers, version, timeout_ms, exchange, fetch }, masker);
      }, limits);
    } catch (error) {
      const { code, detail } = await explained(error, exchange);
      throw new ApiError(code, masker.mask(detail), { cause: error });
    }
  }
}

/** A name is sent back as it is, so that none can hide a secret. Throws `validation_failed`. */
function masked(tool: McpTool, masker: Masker): McpTool {
  if (masker.mask(tool.tool) !== tool.tool) {
    throw new ApiError("validation_failed", "It has a tool whose name holds a secret.");
  }
  return {
    ...tool,
    description: masker.mask(tool.description),
    inputs: jsonObject.parse(masker.maskJson(tool.inputs)),
  };
}

/** What a failed exchange is told as: first what the server has said, then what HTTP tells. */
async function explained(error: unknown, exchange: Exchange): Promise<ApiError> {
  if (error instanceof ApiError) return error;
  const { asksForInput, listsTooMuch, refusalOf } = await import("./client.ts");
  const refusal = refusalOf(error);
  if (refusal !== null) return unavailable(`It refuses: ${shortened(refusal)}`);
  if (asksForInput(error)) {
    return unavailable("It asks for input of a user, which tools of sessions cannot give.");
  }
  if (listsTooMuch(error)) return unavailable("It lists its tools on too many pages.");
  return (
    exchange.problem ??
    unavailable(
      "Its answer is no message of the Model Context Protocol. Is the url that of its MCP endpoint?",
    )
  );
}

function unavailable(detail: string): ApiError {
  return new ApiError("unavailable", detail);
}

function shortened(text: string): string {
  if (text.length <= MAX_SAID_CHARS) return text.toWellFormed();
  return `${text.slice(0, MAX_SAID_CHARS).toWellFormed()}…`;
}

/** Throws what is not for the user to know. */
function toApiError(error: unknown): ApiError {
  if (error instanceof AttemptFailed) return new ApiError("validation_failed", error.message);
  if (error instanceof SecretsTooLargeError) {
    return new ApiError("validation_failed", error.message);
  }
  const known = asApiError(error);
  if (known === null) throw error;
  return known;
}
