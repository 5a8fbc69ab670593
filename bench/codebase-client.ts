/** A codebase of a measured service, as a client has it. */
import { z } from "zod";
import type { MeasuredService } from "./fixture.ts";

export class CodebaseClient {
  readonly #service: MeasuredService;
  path = "";

  constructor(service: MeasuredService) {
    this.#service = service;
  }

  async call(path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${this.#service.key}`);
    const response = await fetch(new URL(`${this.path}${path}`, this.#service.url), {
      ...init,
      headers,
    });
    const body: unknown = await response.json();
    if (!response.ok)
      throw new Error(`${path} answered ${response.status}: ${JSON.stringify(body)}`);
    return body;
  }

  post(path: string, json: unknown): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    return this.call(path, { method: "POST", body: JSON.stringify(json), headers });
  }

  /** The time to the whole answer, in ms. */
  async search(parameters: Record<string, string>): Promise<number> {
    const started = performance.now();
    await this.call(`/search?${new URLSearchParams(parameters)}`);
    return performance.now() - started;
  }
}

export const snapshot = z.object({
  number: z.number(),
  state: z.string(),
  symbols: z.object({ parsed: z.number(), of: z.number() }),
});
export const codebase = z.object({
  id: z.string(),
  index: z.object({ bytes: z.number(), contents: z.number() }).nullable(),
});
