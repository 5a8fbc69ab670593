/** Creates a pipeline and runs it to its end over HTTP, as a client of the service does. */
import type { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, ask } from "./http.ts";
import type { Step } from "./workloads.ts";

/** The longest that the service lets a request wait. */
const WAIT_SECONDS = 60;
const POLL_INTERVAL_MS = 50;
const RUN_LIMIT_SECONDS = 600;
/** The service's own limit of steps that run at once. */
const MAX_PARALLEL = 1_000;
const TERMINAL_STATES = new Set(["completed", "failed", "cancelled"]);
const SHOWN_OF_AN_ANSWER = 500;

interface Entity {
  readonly id?: unknown;
  readonly state?: unknown;
  readonly completed_tasks?: unknown;
}

function entityOf({ body }: Answer): Entity {
  const value: unknown = JSON.parse(body);
  return typeof value === "object" && value !== null ? value : {};
}

const unexpected = (what: string, { status, body }: Answer) =>
  new Error(`${what}: ${status} ${body.slice(0, SHOWN_OF_AN_ANSWER)}`);

export class PipelineClient {
  readonly #agent: Agent;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(agent: Agent, url: string, key: string) {
    this.#agent = agent;
    this.#url = `${url}/api/v1/pipelines`;
    this.#headers = { authorization: `Bearer ${key}` };
  }

  async create(name: string, steps: readonly Step[]): Promise<string> {
    const definition = {
      name,
      tasks: steps,
      max_parallel: Math.min(steps.length, MAX_PARALLEL),
      stop_on_failure: true,
      timeout_seconds: RUN_LIMIT_SECONDS,
    };
    const answer = await ask(this.#agent, {
      url: this.#url,
      method: "POST",
      headers: { ...this.#headers, "content-type": "application/json" },
      body: JSON.stringify(definition),
    });
    const id = answer.status === 201 ? entityOf(answer).id : null;
    if (typeof id !== "string") throw unexpected("The pipeline was not created", answer);
    return id;
  }

  /**
   * Begins a new run and waits for its end; resolves with the time between in milliseconds. Throws
   * unless all its `steps` completed.
   */
  async run(id: string, steps: number): Promise<number> {
    const began = performance.now();
    let answer = await ask(this.#agent, {
      url: `${this.#url}/${id}/execute`,
      method: "POST",
      headers: { ...this.#headers, prefer: `wait=${WAIT_SECONDS}` },
      body: null,
    });
    if (answer.status !== 200 && answer.status !== 202) {
      throw unexpected("The pipeline did not begin", answer);
    }
    while (!TERMINAL_STATES.has(String(entityOf(answer).state))) {
      if (performance.now() - began > RUN_LIMIT_SECONDS * 1_000) {
        throw unexpected("The pipeline did not end in time", answer);
      }
      await delay(POLL_INTERVAL_MS);
      answer = await ask(this.#agent, {
        url: `${this.#url}/${id}`,
        method: "GET",
        headers: this.#headers,
        body: null,
      });
    }
    const took_ms = performance.now() - began;
    const { state, completed_tasks } = entityOf(answer);
    if (state !== "completed" || completed_tasks !== steps) {
      throw unexpected("The pipeline did not complete", answer);
    }
    return took_ms;
  }
}
