/**
 * Agent sessions: how soon what a model writes is seen, alone and in a crowd, what becomes of a message
 * that is sent a thousand times and of a stream that breaks a thousand times, and how soon a pause is
 * reached. The model is a server beside the service whose words are the times at which it writes them.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { table } from "../scripts/demo/display.ts";
import { Api, type ApiEvent, CallRefused } from "../scripts/lib/api.ts";
import { CLOCK_MODEL, startClockModel } from "./clock-model.ts";
import { withService } from "./fixture.ts";
import { showProgress } from "./progress.ts";
import { quantile } from "./statistics.ts";

const ALONE = { turns: 6, pieces: 100, pause: 20 };
const CROWD = { sessions: 100, pieces: 50, pause: 100 };
const SENDS = 1_000;
const DISCONNECTS = 1_000;
const PAUSES = 20;
/** As the answer to a request says whose key another one is at work for. */
const RETRY_AFTER_MS = 1_000;

const agentSchema = z.object({ id: z.string(), state: z.string(), turns: z.int() });
const sentSchema = z.object({ message_id: z.string(), turn: z.int().nullable() });
const deltaSchema = z.looseObject({ message: z.string(), text: z.string() });
const completedSchema = z.looseObject({
  message: z.string(),
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
});

interface Spread {
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly max_ms: number;
}

export interface AgentFigures {
  /** From the write of the model to the event at a subscriber. */
  readonly alone: Spread & { readonly pieces: number };
  readonly crowd: Spread & {
    readonly sessions: number;
    readonly pieces: number;
    /** Replies that a subscriber did not see whole. */
    readonly wrong: number;
  };
  /** Requests with one key at once, and the turns that they came to. */
  readonly sends: { readonly requests: number; readonly messages: number; readonly turns: number };
  /** Streams that were broken off and taken up again, and the events that were wrong after it. */
  readonly disconnects: {
    readonly times: number;
    readonly events: number;
    readonly lost: number;
    readonly repeated: number;
  };
  /** From the call to the answer that it is paused, in the middle of a reply. */
  readonly pause: Spread & { readonly kept: number; readonly times: number };
}

function spread(values: readonly number[]): Spread {
  return {
    p50_ms: quantile(values, 0.5),
    p95_ms: quantile(values, 0.95),
    max_ms: Math.max(...values),
  };
}

const times = (text: string) =>
  text
    .split(" ")
    .filter((word) => word !== "")
    .map(Number);

/** What a subscriber has seen of the replies of one session. */
class Watcher {
  readonly delays: number[] = [];
  readonly #written = new Map<string, string>();
  wrong = 0;
  replies = 0;

  take(event: ApiEvent): void {
    if (event.type === "message.delta") {
      const now = Date.now();
      const { message, text } = deltaSchema.parse(event);
      this.delays.push(...times(text).map((at) => now - at));
      this.#written.set(message, (this.#written.get(message) ?? "") + text);
    } else if (event.type === "message.completed") {
      const { message, content } = completedSchema.parse(event);
      const whole = content.map(({ text = "" }) => text).join("");
      this.replies += 1;
      if (this.#written.get(message) !== whole) this.wrong += 1;
    }
  }
}

class AgentBench {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  async alone(): Promise<AgentFigures["alone"]> {
    const { turns, pieces, pause } = ALONE;
    const id = await this.#create();
    const watcher = new Watcher();
    const watched = this.#watch(id, watcher, turns);
    for (let turn = 1; turn <= turns; turn += 1) {
      showProgress("one session", `turn ${turn}/${turns}`);
      await this.#say(id, `pieces=${pieces} pause=${pause}`);
    }
    await watched;
    if (watcher.delays.length !== turns * pieces) {
      throw new Error(`${watcher.delays.length} of ${turns * pieces} pieces were seen.`);
    }
    // The first turn warms up.
    const delays = watcher.delays.slice(pieces);
    return { pieces: delays.length, ...spread(delays) };
  }

  async crowd(): Promise<AgentFigures["crowd"]> {
    const { sessions, pieces, pause } = CROWD;
    showProgress(`${sessions} sessions at once`);
    const ids: string[] = [];
    for (let n = 0; n < sessions; n += 1) ids.push(await this.#create());
    const watchers = ids.map(() => new Watcher());
    const watched = ids.map((id, n) => this.#watch(id, watchers[n] ?? new Watcher(), 1));
    const said = ids.map((id) => this.#say(id, `pieces=${pieces} pause=${pause}`));
    await Promise.all<unknown>([...said, ...watched]);
    const delays = watchers.flatMap((watcher) => watcher.delays);
    const isWhole = ({ delays: seen, wrong }: Watcher) => seen.length === pieces && wrong === 0;
    const wrong = watchers.filter((watcher) => !isWhole(watcher)).length;
    return { sessions, pieces: delays.length, wrong, ...spread(delays) };
  }

  async sends(): Promise<AgentFigures["sends"]> {
    showProgress(`${SENDS} sends of one message`);
    const id = await this.#create();
    const key = randomUUID();
    const sent = await Promise.all(
      Array.from({ length: SENDS }, () => this.#insist(id, "pieces=3 pause=0", key)),
    );
    const messages = new Set(sent.map(({ message_id }) => message_id)).size;
    return { requests: SENDS, messages, turns: await this.#turns(id) };
  }

  async disconnects(): Promise<AgentFigures["disconnects"]> {
    const id = await this.#create();
    let isOver = false;
    const talk = (async () => {
      while (!isOver) await this.#say(id, "pieces=20 pause=5");
    })();
    const seen: ApiEvent[] = [];
    let after = 0;
    for (let n = 1; n <= DISCONNECTS; n += 1) {
      if (n % 50 === 0) showProgress("a stream that breaks", `${n}/${DISCONNECTS}`);
      const left = 1 + Math.floor(Math.random() * 12);
      let taken = 0;
      for await (const event of this.#api.events(`/agents/${id}/events?after=${after}`)) {
        seen.push(event);
        after = event.seq;
        taken += 1;
        // Whoever leaves the loop breaks the connection off.
        if (taken >= left) break;
      }
    }
    isOver = true;
    await talk;
    const told = seen.filter(({ type }) => type !== "message.delta");
    const seqs = seen.map(({ seq }) => seq);
    const known = new Set(told.map(({ seq }) => seq));
    let lost = 0;
    let expected = 0;
    for await (const { seq } of this.#past(id, after)) {
      expected += 1;
      if (!known.has(seq)) lost += 1;
    }
    const repeated = seqs.length - new Set(seqs).size;
    return { times: DISCONNECTS, events: expected, lost, repeated };
  }

  async pauses(): Promise<AgentFigures["pause"]> {
    const took: number[] = [];
    let kept = 0;
    for (let n = 1; n <= PAUSES; n += 1) {
      showProgress("pause", `${n}/${PAUSES}`);
      const id = await this.#create();
      const headers = { prefer: "respond-async" };
      const json = { content: "pieces=500 pause=20" };
      await this.#call("POST", `/agents/${id}/message`, json, headers);
      for await (const { type } of this.#api.events(`/agents/${id}/events`)) {
        if (type === "message.delta") break;
      }
      const began = performance.now();
      const { state } = agentSchema.parse(
        await this.#call("POST", `/agents/${id}/pause`, { mode: "now" }),
      );
      took.push(performance.now() - began);
      const reply = await this.#call("GET", `/agents/${id}/messages?limit=50`);
      const { items } = z
        .object({ items: z.array(z.object({ role: z.string(), state: z.string() })) })
        .parse(reply);
      if (state === "paused" && items.some((message) => message.state === "cut")) kept += 1;
      await this.#call("POST", `/agents/${id}/terminate`, {});
    }
    return { times: PAUSES, kept, ...spread(took) };
  }

  async #create(): Promise<string> {
    const json = { name: "bench", model: CLOCK_MODEL, initialize: true, tools: [] };
    const agent = agentSchema.parse(await this.#call("POST", "/agents", json));
    if (agent.state !== "waiting") throw new Error(`An agent is ${agent.state}.`);
    return agent.id;
  }

  #say(id: string, content: string): Promise<unknown> {
    return this.#call("POST", `/agents/${id}/message`, { content }, { prefer: "wait=60" });
  }

  /** As a client does that is told to wait for the first request of its key. */
  async #insist(id: string, content: string, key: string) {
    for (;;) {
      try {
        const headers = { "idempotency-key": key };
        return sentSchema.parse(
          await this.#call("POST", `/agents/${id}/message`, { content }, headers),
        );
      } catch (error) {
        if (!(error instanceof CallRefused) || error.status !== 409) throw error;
        await delay(RETRY_AFTER_MS);
      }
    }
  }

  async #turns(id: string): Promise<number> {
    return agentSchema.parse(await this.#call("GET", `/agents/${id}`)).turns;
  }

  /** Until so many turns have ended. */
  async #watch(id: string, watcher: Watcher, turns: number): Promise<void> {
    let ended = 0;
    for await (const event of this.#api.events(`/agents/${id}/events`)) {
      watcher.take(event);
      if (event.type === "turn.ended") ended += 1;
      if (ended === turns) return;
    }
  }

  /** What lasts of what was told up to a seq. */
  async *#past(id: string, upTo: number): AsyncGenerator<ApiEvent> {
    for await (const event of this.#api.events(`/agents/${id}/events`)) {
      if (event.seq > upTo) return;
      if (event.type !== "message.delta") yield event;
      if (event.seq === upTo) return;
    }
  }

  async #call(
    method: string,
    path: string,
    json?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<unknown> {
    const reply = await this.#api.call(method, path, { json, headers });
    const body: unknown = await reply.json();
    return body;
  }
}

export async function measureAgents(): Promise<AgentFigures> {
  const model = await startClockModel();
  const variables = {
    ...{ OPENAI_BASE_URL: model.url, MAX_CONCURRENT_AGENTS: String(CROWD.sessions * 2) },
    OUTBOUND_ALLOW_HOSTS: new URL(model.url).host,
  };
  try {
    return await withService({ variables }, async ({ url, key }) => {
      const bench = new AgentBench(new Api(url, key));
      return {
        alone: await bench.alone(),
        crowd: await bench.crowd(),
        sends: await bench.sends(),
        disconnects: await bench.disconnects(),
        pause: await bench.pauses(),
      };
    });
  } finally {
    await model.stop();
  }
}

/** Whether nothing was lost, and nothing done or told twice. */
export function areWhole({ crowd, sends, disconnects, pause }: AgentFigures): boolean {
  return (
    crowd.wrong === 0 &&
    sends.turns === 1 &&
    sends.messages === 1 &&
    disconnects.lost === 0 &&
    disconnects.repeated === 0 &&
    pause.kept === pause.times
  );
}

const cells = (name: string, { p50_ms, p95_ms, max_ms }: Spread, goal: string) => [
  name,
  ...[p50_ms, p95_ms, max_ms].map((ms) => `${ms.toFixed(0)} ms`),
  goal,
];

export function agentsTable({ alone, crowd, pause }: AgentFigures): string {
  return table(
    ["what", "p50", "p95", "max", "asked for"],
    [
      cells("written by the model → at a subscriber", alone, "p95 15 ms"),
      cells(`the same, ${crowd.sessions} sessions at once`, crowd, "p95 250 ms"),
      cells("pause now → paused", pause, "1 s"),
    ],
  );
}

export function agentsNotes({ crowd, sends, disconnects, pause }: AgentFigures): string[] {
  return [
    `${crowd.wrong} of ${crowd.sessions} replies in the crowd were not seen whole.`,
    `${sends.requests} sends of one message at once: ${sends.messages} message, ${sends.turns} turn.`,
    `${disconnects.times} disconnects of a stream: of ${disconnects.events} events ${disconnects.lost} were lost, ${disconnects.repeated} told twice.`,
    `${pause.kept} of ${pause.times} pauses kept what was written.`,
  ];
}
