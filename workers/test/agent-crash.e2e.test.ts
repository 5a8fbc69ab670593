/**
 * Turns of agents whose process is killed with SIGKILL at every point that the model and a tool can see,
 * and a little after it. CHAOS_AGENT_TURNS says how many turns; CHAOS_SEED repeats the choices.
 */
import { randomUUID } from "node:crypto";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { agentSchema } from "../agents/schemas.ts";
import { AgentWorld, answerOf, POINTS, type Point, REPORTS } from "./agent-world.ts";
import { Client } from "./client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";

const AGENTS = "/api/v1/agents";
const TURNS = Number(process.env.CHAOS_AGENT_TURNS || POINTS.length);
const SEED = seedFrom(process.env.CHAOS_SEED);
const SESSIONS = 4;
/** The kill comes at a point, or up to so long after it. */
const AFTER_MS = 20;
const PATIENCE = { timeout: 60_000, interval: 50 };
const TEST_TIMEOUT_MS = 60_000 + TURNS * 20_000;

const pageSchema = z.object({
  items: z.array(z.object({ content: z.unknown() })),
  next_cursor: z.string().nullable(),
});
const textSchema = z.array(z.looseObject({ text: z.string().default("") }));

let world: AgentWorld;
let service: TestService;
let client: Client;

beforeAll(async () => {
  world = new AgentWorld();
  await world.start();
  const variables = {
    OPENAI_BASE_URL: `${world.url}/v1`,
    OUTBOUND_ALLOW_HOSTS: new URL(world.url).host,
  };
  service = await TestService.start({ variables });
  client = new Client(service);
});
afterAll(async () => {
  await service?.stop();
  await world?.stop();
});

async function createAgent(): Promise<string> {
  const json = {
    ...{ name: "crash", model: "openai/world", initialize: true, tools: [] },
    tool_policies: { "*": "allow" },
    mcp_servers: [{ name: "world", url: `${world.url}/mcp` }],
  };
  const reply = await client.call(AGENTS, { json });
  expect(reply.status, reply.text).toBe(201);
  const { id, state, error } = agentSchema.parse(reply.json);
  expect(state, error ?? "").toBe("waiting");
  return id;
}

async function read(id: string) {
  const reply = await client.call(`${AGENTS}/${id}`);
  expect(reply.status, reply.text).toBe(200);
  return agentSchema.parse(reply.json);
}

/** What the agent said last. */
async function lastText(id: string): Promise<string> {
  const first = `${AGENTS}/${id}/messages?limit=200`;
  let last: unknown = [];
  for (let at: string | null = first; at !== null; ) {
    const reply = await client.call(at);
    expect(reply.status, reply.text).toBe(200);
    const { items, next_cursor } = pageSchema.parse(reply.json);
    last = items.at(-1)?.content ?? last;
    at = next_cursor === null ? null : `${first}&cursor=${next_cursor}`;
  }
  return textSchema
    .parse(last)
    .map(({ text }) => text)
    .join("");
}

/** As a client does that had no answer. */
async function insist(id: string, content: string): Promise<void> {
  const headers = { prefer: "respond-async", "idempotency-key": randomUUID() };
  for (;;) {
    const init = { json: { content }, headers };
    const reply = await client.call(`${AGENTS}/${id}/message`, init).catch(() => null);
    if (reply !== null && reply.status < 300) return;
    if (reply !== null) expect(reply.status, reply.text).toBeOneOf([409, 503]);
    await delay(200);
  }
}

test(
  `${TURNS} turns, each killed at a point of its own: all come to rest, no report is made twice`,
  async () => {
    console.log(`agent crash: CHAOS_SEED=${SEED} repeats the choices`);
    const random = new Random(SEED);
    const ids: string[] = [];
    for (let n = 0; n < SESSIONS; n += 1) ids.push(await createAgent());
    const struck = new Map<Point, number>();
    let interrupted = 0;

    for (let turn = 1; turn <= TURNS; turn += 1) {
      const id = ids[turn % SESSIONS] ?? "";
      const point = POINTS[turn % POINTS.length] ?? "text_half";
      const isOfTool = point === "tool_called" || point === "effect_done";
      const step = point === "tool_answered" ? 0 : random.below(isOfTool ? REPORTS : REPORTS + 1);
      const struckStep = point === "call_written" ? Math.min(step, REPORTS - 1) : step;
      const after = random.chance(0.5) ? 0 : random.below(AFTER_MS);
      const killed = new Promise<void>((resolve, reject) => {
        world.reach = (at, of) => {
          if (at !== point || of !== struckStep) return;
          world.reach = () => undefined;
          const strike = () => service.killAndRecover().then(() => resolve(), reject);
          if (after === 0) void strike();
          else setTimeout(() => void strike(), after);
        };
      });
      await insist(id, `turn-${turn}`);
      await killed;
      struck.set(point, (struck.get(point) ?? 0) + 1);

      const about = `turn ${turn} killed at ${point} of step ${struckStep}`;
      await expect
        .poll(async () => (await read(id).catch(() => null))?.waiting_for, {
          ...PATIENCE,
          message: about,
        })
        .toBe("message");
      const agent = await read(id);
      expect(agent.error, about).toBeNull();
      expect(agent.turns, about).toBe(Math.ceil(turn / SESSIONS));
      expect(await lastText(id), about).toBe(answerOf(turn));
      for (let report = 0; report < REPORTS; report += 1) {
        const made = world.reports.get(`${turn}.${report}`) ?? 0;
        expect(made, `${about}, report ${report}`).toBeLessThanOrEqual(1);
        if (made === 0) interrupted += 1;
      }
    }
    console.log(
      `agent crash: ${TURNS} turns, ${[...struck].map(([point, times]) => `${point} ${times}`).join(", ")}; all came to rest, reports made twice 0, not made ${interrupted} of ${TURNS * REPORTS}`,
    );
  },
  TEST_TIMEOUT_MS,
);
