/** Closed-loop load: so many clients, each asking again as soon as it is answered. */
import { Agent } from "node:http";
import { ask, type Request } from "./http.ts";
import { median, quantile } from "./statistics.ts";

export interface Call extends Request {
  /** Throws when the answer is not the one that counts. */
  check(status: number, body: string): void;
}

export interface Measurement {
  readonly clients: number;
  readonly requests: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly per_second: number;
}

async function timed(agent: Agent, call: Call): Promise<number> {
  const { status, body, took_ms } = await ask(agent, call);
  call.check(status, body);
  return took_ms;
}

/** Makes `requests` calls with `clients` at a time, each client on a connection of its own. */
export async function load(call: Call, clients: number, requests: number): Promise<Measurement> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    // Connections are opened before the clock runs.
    await Promise.all(Array.from({ length: clients }, () => timed(agent, call)));
    const times: number[] = [];
    let left = requests;
    const client = async () => {
      while (left > 0) {
        left -= 1;
        times.push(await timed(agent, call));
      }
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: clients }, client));
    const seconds = (performance.now() - began) / 1_000;
    return {
      clients,
      requests,
      p50_ms: quantile(times, 0.5),
      p99_ms: quantile(times, 0.99),
      per_second: requests / seconds,
    };
  } finally {
    agent.destroy();
  }
}

/** Of repeated measurements, the median of each figure. */
export function medianOf(runs: readonly Measurement[]): Measurement {
  return {
    clients: runs[0]?.clients ?? 0,
    requests: runs[0]?.requests ?? 0,
    p50_ms: median(runs.map((run) => run.p50_ms)),
    p99_ms: median(runs.map((run) => run.p99_ms)),
    per_second: median(runs.map((run) => run.per_second)),
  };
}
