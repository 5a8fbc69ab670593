/** Carries out the HTTP requests of skills: secrets resolved here, through the outbound guard. */
import { AttemptOutput } from "../executors/attempt-output.ts";
import { AttemptFailed, failed, failureOf, stopped } from "../executors/outcome.ts";
import type {
  AttemptSink,
  Caller,
  CallRequest,
  HttpCall,
  Json,
  Outcome,
  SecretResolver,
} from "../executors/port.ts";
import { type ResolvedHeaders, resolveHeaders } from "../executors/secret-headers.ts";
import { ApiError } from "../http/errors.ts";
import type { Outbound } from "../security/outbound.ts";
import { matchesRule, parseHostRule } from "../security/outbound-hosts.ts";

const MEBIBYTE = 1024 * 1024;
/** A response is held in the memory of an object that others share. */
const MAX_RESPONSE_BYTES = 4 * MEBIBYTE;
const MAX_SHOWN_CHARS = 500;
/** Of the response, where the output tells them: others say nothing about the answer. */
const SHOWN_HEADERS = ["content-type", "etag", "last-modified", "link", "location", "retry-after"];

export interface HttpCallerDeps {
  readonly secrets: SecretResolver;
  readonly outbound: Outbound;
}

interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

class HttpCaller implements Caller {
  readonly #deps: HttpCallerDeps;

  constructor(deps: HttpCallerDeps) {
    this.#deps = deps;
  }

  async run(request: CallRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    const { call, project_id } = request;
    if (call.via !== "http") throw new Error(`a call via "${call.via}" is no HTTP request`);
    let output = new AttemptOutput(sink, []);
    let outcome: Outcome;
    try {
      const given = call.body === null ? {} : { "content-type": "application/json" };
      const resolved = await resolveHeaders(
        { ...given, ...call.headers },
        project_id,
        this.#deps.secrets,
      );
      output = new AttemptOutput(sink, resolved.secretValues);
      outcome = outcomeOf(call, await this.#send(call, resolved, signal));
    } catch (error) {
      outcome = signal.aborted ? stopped(signal, request) : failureOfCall(error);
    }
    return output.settle(outcome, call.outputs);
  }

  async #send(
    { url, method, body, allow }: HttpCall,
    { headers, secretValues }: ResolvedHeaders,
    signal: AbortSignal,
  ): Promise<Received> {
    const rules = allow.flatMap((text) => parseHostRule(text) ?? []);
    const { origin } = new URL(url);
    const response = await this.#deps.outbound(
      new Request(url, { method, headers, body, signal }),
      {
        permit: (target) => {
          const { host, port } = target;
          if (!rules.some((rule) => matchesRule(rule, host, port))) {
            return `the host "${host}" (port ${port}) is not in the skill's permissions.network; add "${host}" there to allow it`;
          }
          if (secretValues.length === 0 || target.url.origin === origin) return null;
          return `it is a redirect to another origin, which must not get the secrets meant for "${origin}"`;
        },
      },
    );
    return { status: response.status, headers: response.headers, text: await readText(response) };
  }
}

async function readText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > MAX_RESPONSE_BYTES) {
      throw new AttemptFailed(
        "error",
        "response_too_large",
        `The response is above ${MAX_RESPONSE_BYTES / MEBIBYTE} MiB. Ask for less of it, such as a page or a range.`,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function outcomeOf({ response, select }: HttpCall, { status, headers, text }: Received): Outcome {
  const isGood = status >= 200 && status < 300;
  if (select === "body" && !isGood) {
    const shown = text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text;
    const hint = 'Set select to "all" to take any status as an output.';
    return failed("error", "http_status", `It answered ${status}: ${shown || "nothing"} ${hint}`);
  }
  const body = response === "text" || text === "" ? text : parseJson(text, headers);
  if (select === "body") return completed(body);
  const shown = SHOWN_HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return completed({ status, headers: Object.fromEntries(shown), body });
}

function completed(result: Json): Outcome {
  return { status: "completed", exit_code: null, result };
}

/** Throws `AttemptFailed`. */
function parseJson(text: string, headers: Headers): Json {
  try {
    return JSON.parse(text);
  } catch {
    throw new AttemptFailed(
      "error",
      "response_not_json",
      `The response is no JSON (its type is ${headers.get("content-type") ?? "not said"}). Set response to "text" to take it as it is.`,
    );
  }
}

function failureOfCall(error: unknown): Outcome {
  if (error instanceof ApiError) {
    const code = error.code === "unavailable" ? "host_unreachable" : "request_refused";
    return failed("error", code, error.detail);
  }
  if (error instanceof AttemptFailed) return error.outcome;
  return failureOf(error, "the service's logs");
}

export function createHttpCaller(deps: HttpCallerDeps): Caller {
  return new HttpCaller(deps);
}
