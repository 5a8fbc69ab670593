/** Imports of codebases over the API, and how they end. */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { codebaseSchema, snapshotSchema } from "../codebases/schemas.ts";
import type { Client } from "./client.ts";

const PATIENCE = { timeout: 90_000, interval: 50 };

export class Imports {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Path of a new codebase. */
  async codebase(source?: object): Promise<string> {
    const json = { name: randomUUID(), source };
    const created = await this.#client.call("/api/v1/codebases", { json });
    expect(created.status, created.text).toBe(201);
    return `/api/v1/codebases/${codebaseSchema.parse(created.json).id}`;
  }

  /** Number of the new snapshot. */
  async begin(base: string, body: object): Promise<number> {
    const reply = await this.#client.call(`${base}/import`, { json: body });
    expect(reply.status, reply.text).toBe(202);
    return snapshotSchema.parse(reply.json).number;
  }

  async snapshot(base: string, number: number) {
    const reply = await this.#client.call(`${base}/snapshots/${number}`);
    expect(reply.status, reply.text).toBe(200);
    return snapshotSchema.parse(reply.json);
  }

  /** Once it is ready or has failed. */
  async settled(base: string, number: number) {
    const state = async () => (await this.snapshot(base, number).catch(() => null))?.state;
    const { output } = this.#client.service;
    await expect.poll(state, { ...PATIENCE, message: output }).toBeOneOf(["ready", "failed"]);
    return this.snapshot(base, number);
  }

  /** Once it is ready. */
  async imported(base: string, body: object) {
    const found = await this.settled(base, await this.begin(base, body));
    expect(found.error, this.#client.service.output).toBeNull();
    return found;
  }
}
