/** A small client of PIPELZR, for the demo. */
import { z } from "zod";

const taskSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  state: z.string(),
  attempt: z.int(),
  error: z.string().nullable(),
  stdout: z.string().nullable(),
  result: z.unknown(),
  duration_ms: z.number().nullable(),
});
export type Task = z.output<typeof taskSchema>;

const eventSchema = z.looseObject({ seq: z.int(), type: z.string() });
export type RunEvent = z.output<typeof eventSchema>;

export interface TaskDefinition {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** Calls the API and follows its streams. */
export class Api {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** Throws with the answer unless it says that it worked. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (response.ok) return response;
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  }

  /** The events of a run, as they happen, until it ends. */
  async *events(path: string): AsyncGenerator<RunEvent> {
    const response = await this.call("GET", path, undefined, { accept: "text/event-stream" });
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

/** Tasks and secrets. */
export class Client {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Creates a task and starts it, without waiting for its end. */
  async start(definition: TaskDefinition): Promise<Task> {
    const headers = { prefer: "respond-async" };
    const response = await this.#api.call(
      "POST",
      "/tasks",
      { ...definition, execute: true },
      headers,
    );
    return taskSchema.parse(await response.json());
  }

  async get(id: string): Promise<Task> {
    return taskSchema.parse(await (await this.#api.call("GET", `/tasks/${id}`)).json());
  }

  async cancel(id: string): Promise<Task> {
    return taskSchema.parse(await (await this.#api.call("POST", `/tasks/${id}/cancel`)).json());
  }

  async logs(id: string): Promise<string> {
    return (await this.#api.call("GET", `/tasks/${id}/logs`)).text();
  }

  async artifact(id: string, path: string): Promise<string> {
    const query = new URLSearchParams({ path });
    return (await this.#api.call("GET", `/tasks/${id}/artifacts/content?${query}`)).text();
  }

  async storeSecret(name: string, value: string): Promise<void> {
    await (await this.#api.call("POST", "/secrets", { name, value })).body?.cancel();
  }

  /** The events of a task's run, as they happen, until it ends. */
  events(id: string): AsyncGenerator<RunEvent> {
    return this.#api.events(`/tasks/${id}/events`);
  }
}
