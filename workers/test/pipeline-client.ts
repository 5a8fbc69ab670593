/** How black-box tests talk to pipelines: plain replies, and bodies parsed as the API promises them. */
import { expect } from "vitest";
import type { z } from "zod";
import {
  runDetailSchema,
  stepListSchema,
  stepSchema,
  whyRunSchema,
} from "../pipelines/run-schemas.ts";
import { type Pipeline, pipelineSchema } from "../pipelines/schemas.ts";
import { Client, type Reply } from "./client.ts";
import type { TestService } from "./service.ts";
import { allEvents, type TaskEvent } from "./sse.ts";

const PIPELINES = "/api/v1/pipelines";
const SETTLE_LIMIT_MS = 90_000;
const POLL_MS = 50;
const ENDED = ["completed", "failed", "cancelled"];

export class PipelineClient {
  readonly #client: Client;
  readonly #service: TestService;

  constructor(service: TestService) {
    this.#service = service;
    this.#client = new Client(service);
  }

  async create(tasks: readonly object[], more: object = {}): Promise<string> {
    const reply = await this.#client.call(PIPELINES, { json: { name: "test", tasks, ...more } });
    expect(reply.status, `${reply.text}\n${this.#service.output}`).toBe(201);
    return pipelineSchema.parse(reply.json).id;
  }

  post(id: string, action: string, json: object = {}, headers = {}): Promise<Reply> {
    return this.#client.call(`${PIPELINES}/${id}/${action}`, { json, headers });
  }

  async read(id: string): Promise<Pipeline> {
    return this.#get(pipelineSchema, id);
  }

  run(id: string, run: number) {
    return this.#get(runDetailSchema, `${id}/runs/${run}`);
  }

  why(id: string, run: number) {
    return this.#get(whyRunSchema, `${id}/runs/${run}/why`);
  }

  step(id: string, run: number, name: string) {
    return this.#get(stepSchema, `${id}/runs/${run}/steps/${encodeURIComponent(name)}`);
  }

  async steps(id: string, run: number) {
    return (await this.#get(stepListSchema, `${id}/runs/${run}/steps?limit=200`)).items;
  }

  /** All events of a run that has ended; empty for one that does not exist. */
  async events(id: string, run: number): Promise<TaskEvent[]> {
    const response = await this.#client.open(`${PIPELINES}/${id}/runs/${run}/events`);
    return response.status === 200 ? allEvents(response) : [];
  }

  /** Resolves once the run has ended, also over times in which nobody answers. */
  async settled(id: string, run: number) {
    let found: Awaited<ReturnType<PipelineClient["run"]>> | undefined;
    await expect
      .poll(
        async () => {
          found = await this.run(id, run).catch(() => undefined);
          return found?.state;
        },
        { timeout: SETTLE_LIMIT_MS, interval: POLL_MS },
      )
      .toBeOneOf(ENDED);
    if (!found) throw new Error(`Run ${run} of ${id} was never read.`);
    return found;
  }

  async #get<Schema extends z.ZodType>(schema: Schema, path: string): Promise<z.output<Schema>> {
    const reply = await this.#client.call(`${PIPELINES}/${path}`);
    expect(reply.status, `${reply.text}\n${this.#service.output}`).toBe(200);
    return schema.parse(reply.json);
  }
}
