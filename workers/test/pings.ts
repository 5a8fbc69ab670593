/** A server outside the service that tasks call, to prove from outside whether their code still runs. */
import { createServer, type Server } from "node:http";
import { expect } from "vitest";

export class Pings {
  /** `host:port`, as a task's network.allow names it. */
  readonly host: string;
  readonly #server: Server;
  readonly #counts: Map<string, number>;

  private constructor(server: Server, counts: Map<string, number>, port: number) {
    this.#server = server;
    this.#counts = counts;
    this.host = `127.0.0.1:${port}`;
  }

  static async start(): Promise<Pings> {
    const counts = new Map<string, number>();
    const server = createServer((request, response) => {
      const name = (request.url ?? "").slice(1);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      response.end("pong");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("No port was given.");
    return new Pings(server, counts, address.port);
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Resolves once `name` has pinged so many times more than now. */
  async more(name: string, times: number): Promise<void> {
    const goal = this.count(name) + times;
    await expect
      .poll(() => this.count(name), { timeout: 20_000, interval: 5 })
      .toBeGreaterThanOrEqual(goal);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
