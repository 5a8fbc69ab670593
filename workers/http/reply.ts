/** Renders what a handler returns. */
import type { StatusCode } from "hono/utils/http-status";
import type { AppContext } from "./context.ts";

export const JSON_TYPE = "application/json; charset=utf-8";

interface AnyReply {
  readonly status: StatusCode;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A reply becomes JSON, or an empty response when it has no body; a Response passes through. */
export function respond(c: AppContext, answer: AnyReply | Response): Response {
  if (answer instanceof Response) return answer;
  if (answer.body === undefined) return c.body(null, answer.status, answer.headers ?? {});
  return new Response(JSON.stringify(answer.body), {
    status: answer.status,
    headers: { "Content-Type": JSON_TYPE, ...answer.headers },
  });
}
