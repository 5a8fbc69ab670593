/** A small client of PIPELZR's pipelines, for the demo and the tests of the examples. */
import { z } from "zod";
import { Api, type ApiEvent } from "./api.ts";

const pipelineSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  run: z.int(),
  failed_steps: z.array(z.string()),
  error: z.string().nullable(),
  outputs: z.unknown(),
});
export type Pipeline = z.output<typeof pipelineSchema>;

const nodeSchema = z.looseObject({
  name: z.string(),
  state: z.string(),
  group: z.string().nullable(),
  items: z.int().nullable(),
  attempt: z.int(),
  reused_from: z.int().nullable(),
  duration_ms: z.number().nullable(),
});
export type GraphNode = z.output<typeof nodeSchema>;

const graphSchema = z.looseObject({
  state: z.string(),
  nodes: z.array(nodeSchema),
  critical_path: z.object({ duration_ms: z.number(), steps: z.array(z.string()) }),
});
export type Graph = z.output<typeof graphSchema>;

const planSchema = z.looseObject({ rerun: z.array(z.string()), reuse: z.array(z.string()) });
export type RetryPlan = z.output<typeof planSchema>;

const whySchema = z.looseObject({
  steps: z.array(z.looseObject({ step: z.string(), reason: z.string() })),
});

const stepSchema = z.looseObject({ result: z.unknown() });

/** Ways of waiting for the end of what a call begins. */
const ASYNC = { prefer: "respond-async" };
const WAIT = { prefer: "wait=60" };

export class PipelineClient {
  readonly #api: Api;

  constructor(url: string, key: string) {
    this.#api = new Api(url, key);
  }

  async create(definition: object): Promise<Pipeline> {
    const response = await this.#api.call("POST", "/pipelines", { json: definition });
    return pipelineSchema.parse(await response.json());
  }

  /** Creates a pipeline of a definition in YAML. */
  async createFrom(text: string): Promise<Pipeline> {
    const headers = { "content-type": "application/yaml" };
    const response = await this.#api.call("POST", "/pipelines", { text, headers });
    return pipelineSchema.parse(await response.json());
  }

  async get(id: string): Promise<Pipeline> {
    return this.#read(pipelineSchema, id);
  }

  /** Begins a run, without waiting for its end. */
  start(id: string, inputs?: object): Promise<Pipeline> {
    return this.#post(pipelineSchema, `${id}/start`, inputs && { inputs });
  }

  /** Begins a run and waits for its end. */
  execute(id: string, inputs?: object): Promise<Pipeline> {
    return this.#post(pipelineSchema, `${id}/execute`, inputs && { inputs }, WAIT);
  }

  /** What a retry would run again, and what it would reuse. */
  planRetry(id: string): Promise<RetryPlan> {
    return this.#post(planSchema, `${id}/retry`, { dry_run: true });
  }

  /** Begins a run that does again what failed, without waiting for its end. */
  retry(id: string): Promise<Pipeline> {
    return this.#post(pipelineSchema, `${id}/retry`, undefined, ASYNC);
  }

  approve(id: string, run: number, step: string, comment: string): Promise<Pipeline> {
    return this.#post(pipelineSchema, `${id}/runs/${run}/approve`, { step, comment });
  }

  signal(id: string, run: number, name: string, payload: unknown): Promise<Pipeline> {
    return this.#post(pipelineSchema, `${id}/runs/${run}/signal`, { name, payload });
  }

  graph(id: string, run: number): Promise<Graph> {
    return this.#read(graphSchema, `${id}/runs/${run}/graph`);
  }

  /** What an open step of the run waits for. */
  async why(id: string, run: number, step: string): Promise<string> {
    const { steps } = await this.#read(whySchema, `${id}/runs/${run}/why`);
    return steps.find((one) => one.step === step)?.reason ?? "";
  }

  async result(id: string, run: number, step: string): Promise<unknown> {
    const path = `${id}/runs/${run}/steps/${encodeURIComponent(step)}`;
    return (await this.#read(stepSchema, path)).result;
  }

  async artifact(id: string, run: number, step: string, path: string): Promise<string> {
    const query = new URLSearchParams({ step, path });
    const url = `/pipelines/${id}/runs/${run}/artifacts/content?${query}`;
    return (await this.#api.call("GET", url)).text();
  }

  /** The events of a run, as they happen, until it ends. */
  events(id: string, run: number): AsyncGenerator<ApiEvent> {
    return this.#api.events(`/pipelines/${id}/runs/${run}/events`);
  }

  async #read<Schema extends z.ZodType>(schema: Schema, path: string): Promise<z.output<Schema>> {
    return schema.parse(await (await this.#api.call("GET", `/pipelines/${path}`)).json());
  }

  async #post<Schema extends z.ZodType>(
    schema: Schema,
    path: string,
    json?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<z.output<Schema>> {
    const response = await this.#api.call("POST", `/pipelines/${path}`, { json, headers });
    return schema.parse(await response.json());
  }
}
