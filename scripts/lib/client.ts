/** A small client of PIPELZR's tasks, for the demo and the benchmark. */
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
export type TaskEvent = z.output<typeof eventSchema>;

export interface TaskDefinition {
  readonly name: string;
  readonly [field: string]: unknown;
}

export class Client {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** Creates a task and starts it, without waiting for its end. */
  async start(definition: TaskDefinition): Promise<Task> {
    const headers = { prefer: "respond-async" };
    const response = await this.#call("POST", "/tasks", { ...definition, execute: true }, headers);
    return taskSchema.parse(await response.json());
  }

  async get(id: string): Promise<Task> {
    return taskSchema.parse(await (await this.#call("GET", `/tasks/${id}`)).json());
  }

  async cancel(id: string): Promise<Task> {
    return taskSchema.parse(await (await this.#call("POST", `/tasks/${id}/cancel`)).json());
  }

  async logs(id: string): Promise<string> {
    return (await this.#call("GET", `/tasks/${id}/logs`)).text();
  }

  async artifact(id: string, path: string): Promise<string> {
    const query = new URLSearchParams({ path });
    return (await this.#call("GET", `/tasks/${id}/artifacts/content?${query}`)).text();
  }

  async storeSecret(name: string, value: string): Promise<void> {
    await (await this.#call("POST", "/secrets", { name, value })).body?.cancel();
  }

  /** The events of a task's run, as they happen, until it ends. */
  async *events(id: string): AsyncGenerator<TaskEvent> {
    const headers = { accept: "text/event-stream" };
    const response = await this.#call("GET", `/tasks/${id}/events`, undefined, headers);
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

  async #call(
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
}
