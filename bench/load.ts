/** Closed-loop load: so many clients, each asking again as soon as it is answered. */
import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";

export interface Call {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
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

function send(agent: Agent, call: Call): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method, headers, body } = call;
    const length = body === null ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = request(call.url, { agent, method, headers: { ...headers, ...length } }, resolve);
    sent.once("error", reject);
    sent.end(body ?? undefined);
  });
}

async function ask(agent: Agent, call: Call): Promise<number> {
  const began = performance.now();
  const response = await send(agent, call);
  const body = await text(response);
  const took = performance.now() - began;
  call.check(response.statusCode ?? 0, body);
  return took;
}

const quantile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;

/** Makes `requests` calls with `clients` at a time, each client on a connection of its own. */
export async function load(call: Call, clients: number, requests: number): Promise<Measurement> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    // Connections are opened before the clock runs.
    await Promise.all(Array.from({ length: clients }, () => ask(agent, call)));
    const times: number[] = [];
    let left = requests;
    const client = async () => {
      while (left > 0) {
        left -= 1;
        times.push(await ask(agent, call));
      }
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: clients }, client));
    const seconds = (performance.now() - began) / 1_000;
    const sorted = times.toSorted((a, b) => a - b);
    return {
      clients,
      requests,
      p50_ms: quantile(sorted, 0.5),
      p99_ms: quantile(sorted, 0.99),
      per_second: requests / seconds,
    };
  } finally {
    agent.destroy();
  }
}

const middle = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Of repeated measurements, the median of each figure. */
export function medianOf(runs: readonly Measurement[]): Measurement {
  return {
    clients: runs[0]?.clients ?? 0,
    requests: runs[0]?.requests ?? 0,
    p50_ms: middle(runs.map((run) => run.p50_ms)),
    p99_ms: middle(runs.map((run) => run.p99_ms)),
    per_second: middle(runs.map((run) => run.per_second)),
  };
}
