/** How black-box tests talk to the service: plain replies, and tasks parsed as the API promises them. */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { z } from "zod";
import { attemptListSchema } from "../runs/wire.ts";
import { type Task, taskListSchema, taskSchema } from "../tasks/schemas.ts";
import type { TestService } from "./service.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
}

export interface Call {
  readonly method?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  /** `Authorization: Bearer …`; the service's own key unless given, none for null. */
  readonly key?: string | null;
}

const TASKS = "/api/v1/tasks";
const SETTLE_LIMIT_MS = 60_000;
const POLL_MS = 50;

/** Code that tests run again and again. */
export const SCRIPTS = {
  sleep:
    "export default async (ms) => { await new Promise((done) => setTimeout(done, ms)); return ms; }",
  echo: "export default (input) => input",
} as const;

export class Client {
  readonly service: TestService;
  readonly #key: string;

  constructor(service: TestService, key = service.key) {
    this.service = service;
    this.#key = key;
  }

  async call(path: string, init: Call = {}): Promise<Reply> {
    const response = await this.open(path, init);
    return readReply(response);
  }

  /** The response as it streams in. */
  open(path: string, init: Call & { readonly signal?: AbortSignal } = {}): Promise<Response> {
    const { json, body, key = this.#key, signal } = init;
    const headers = new Headers(init.headers);
    if (key !== null && !headers.has("authorization")) {
      headers.set("authorization", `Bearer ${key}`);
    }
    const sent = json === undefined ? body : JSON.stringify(json);
    if (json !== undefined) headers.set("content-type", "application/json");
    const method = init.method ?? (sent === undefined ? "GET" : "POST");
    return fetch(new URL(path, this.service.url), {
      method,
      headers,
      ...(sent === undefined ? {} : { body: sent }),
      ...(signal ? { signal } : {}),
    });
  }

  /** Creates a task; executes it, without waiting for its end unless `prefer` says so. */
  async start(body: object, prefer = "respond-async"): Promise<Task> {
    return this.create({ execute: true, ...body }, { prefer });
  }

  async create(body: object, headers: Readonly<Record<string, string>> = {}): Promise<Task> {
    const reply = await this.call(TASKS, { json: { name: "test", ...body }, headers });
    expect(reply.status, `${reply.text}\n${this.service.output}`).toBe(201);
    return taskSchema.parse(reply.json);
  }

  async task(id: string): Promise<Task> {
    const reply = await this.call(`${TASKS}/${id}`);
    expect(reply.status, reply.text).toBe(200);
    return taskSchema.parse(reply.json);
  }

  act(id: string, action: "execute" | "retry" | "cancel", init: Call = {}): Promise<Reply> {
    return this.call(`${TASKS}/${id}/${action}`, { method: "POST", ...init });
  }

  async attempts(id: string) {
    const reply = await this.call(`${TASKS}/${id}/attempts`);
    expect(reply.status, reply.text).toBe(200);
    return attemptListSchema.parse(reply.json).items;
  }

  /** Resolves once the newest run of the task is in one of these states. */
  async until(id: string, ...states: readonly Task["state"][]): Promise<Task> {
    let task: Task | undefined;
    await expect
      .poll(
        async () => {
          task = await this.task(id).catch(() => undefined);
          return task?.state;
        },
        { timeout: SETTLE_LIMIT_MS, interval: POLL_MS },
      )
      .toBeOneOf([...states]);
    if (!task) throw new Error(`Task ${id} was never read.`);
    return task;
  }

  /** Resolves once the newest run of the task has ended. */
  settled(id: string): Promise<Task> {
    return this.until(id, "completed", "failed", "cancelled");
  }

  /** All tasks that match the query, page by page. */
  async list(query: Readonly<Record<string, string>> = {}) {
    const items = [];
    let cursor: string | null = null;
    do {
      const search = new URLSearchParams({ limit: "200", ...query, ...(cursor && { cursor }) });
      const reply = await this.call(`${TASKS}?${search}`);
      expect(reply.status, reply.text).toBe(200);
      const page = taskListSchema.parse(reply.json);
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return items;
  }
}

export async function readReply(response: Response): Promise<Reply> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const keySchema = z.object({ id: z.string(), key: z.string() });

export interface MintedKey {
  readonly id: string;
  readonly key: string;
}

/** Creates an API key with the service's own key. */
export async function mintKey(service: TestService, body: object): Promise<MintedKey> {
  const reply = await new Client(service).call("/api/v1/keys", {
    json: { name: `key ${randomUUID()}`, ...body },
  });
  expect(reply.status, reply.text).toBe(201);
  return keySchema.parse(reply.json);
}
