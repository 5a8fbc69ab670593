/** What tools answer: JSON as structure and as text, and errors that a model can act on. */
import type { CallToolResult } from "@modelcontextprotocol/server";
import type { Json } from "../executors/port.ts";
import { ApiError } from "../http/errors.ts";
import { logError } from "../http/log.ts";
import { asApiError } from "../http/problem.ts";
import type { Caller } from "./caller.ts";

/**
 * A value as text: JSON, but for a text itself. An object is told as structure too, which is all that
 * the protocol's older revisions take.
 */
export function valueResult(value: Json | Record<string, unknown>): CallToolResult {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const content = [{ type: "text" as const, text }];
  return isObject(value) ? { content, structuredContent: value } : { content };
}

export function errorResult(text: string): CallToolResult {
  return { content: [{ type: "text", text }], isError: true };
}

/** A refusal, with every problem of the input. What is no `ApiError` is logged and never shown. */
export function refusalResult(error: unknown, caller: Caller): CallToolResult {
  const { detail, issues } = asKnown(error, caller);
  const listed = issues.map(({ path, message }) => `\n- ${path}: ${message}`).join("");
  return errorResult(`${detail}${listed}`);
}

export function asKnown(error: unknown, { request_id }: Caller): ApiError {
  const known = asApiError(error);
  if (known !== null) return known;
  logError("mcp_request_failed", error, { request_id });
  return new ApiError(
    "internal",
    `The service failed while it handled the call. Retry; if it happens again, report the request id ${request_id}.`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
