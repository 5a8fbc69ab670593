/** Calls of PIPELZR's API, as its clients here share them. */
import { z } from "zod";

const eventSchema = z.looseObject({ seq: z.int(), type: z.string() });
export type ApiEvent = z.output<typeof eventSchema>;

export interface Call {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with the type that its headers say. */
  readonly text?: string;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that is no success. */
export class CallRefused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "CallRefused";
    this.status = status;
  }
}

export class Api {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** The answer to a call. Throws `CallRefused` with what it says when that is no success. */
  async call(
    method: string,
    path: string,
    { json, text, bytes, headers }: Call = {},
  ): Promise<Response> {
    const body = json === undefined ? (bytes ?? text) : JSON.stringify(json);
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(json !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    if (response.ok) return response;
    const hint =
      response.status === 401 ? ` Check that the key belongs to the service at ${this.#url}.` : "";
    throw new CallRefused(
      response.status,
      `${method} ${path} answered ${response.status}: ${await response.text()}${hint}`,
    );
  }

  /** The events of a run, as they happen, until it ends. */
  async *events(path: string): AsyncGenerator<ApiEvent> {
    const headers = { accept: "text/event-stream" };
    const response = await this.call("GET", path, { headers });
    let pending = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      pending += decoder.decode(chunk, { stream: true });
      const messages = pending.split("\n\n");
      pending = messages.pop() ?? "";
      for (const message of messages) {
        const data = message.split("\n").find((line) => line.startsWith("data:"));
        if (data) yield eventSchema.parse(JSON.parse(data.slice("data:".length)));
      }
    }
  }
}
