/** A small client of PIPELZR's tasks, for the demo. */
import { z } from "zod";
import { Api, type ApiEvent } from "./api.ts";

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
export type TaskEvent = ApiEvent;

export interface TaskDefinition {
  readonly name: string;
  readonly [field: string]: unknown;
}

export class Client {
  readonly #api: Api;

  constructor(url: string, key: string) {
    this.#api = new Api(url, key);
  }

  /** Creates a task and starts it, without waiting for its end. */
  async start(definition: TaskDefinition): Promise<Task> {
    const response = await this.#api.call("POST", "/tasks", {
      json: { ...definition, execute: true },
      headers: { prefer: "respond-async" },
    });
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
    const response = await this.#api.call("POST", "/secrets", { json: { name, value } });
    await response.body?.cancel();
  }

  /** The events of a task's run, as they happen, until it ends. */
  events(id: string): AsyncGenerator<TaskEvent> {
    return this.#api.events(`/tasks/${id}/events`);
  }
}
