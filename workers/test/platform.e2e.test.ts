/** The built service among its neighbours: CommandCentral's browser client, and what is told to each. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  type FakeCommandCentral,
  startFakeCommandCentral,
} from "../../containers/fakes/commandcentral/server.ts";
import { type FakeIdealzr, startFakeIdealzr } from "../../containers/fakes/idealzr/server.ts";
import { Client } from "./client.ts";
import { TestService } from "./service.ts";

const ORIGIN = "http://localhost:3000";
const WAIT = { timeout: 30_000, interval: 50 };
const CODE = { name: "card", script: "export default () => ({ score: 0.5 })" };

let central: FakeCommandCentral;
let idealzr: FakeIdealzr;
let service: TestService;

beforeAll(async () => {
  [central, idealzr] = await Promise.all([
    startFakeCommandCentral({ patched: true }),
    startFakeIdealzr(),
  ]);
  service = await TestService.start({
    variables: {
      COMMANDCENTRAL_ENABLED: "true",
      COMMANDCENTRAL_URL: central.url,
      COMMANDCENTRAL_TOKEN: central.token("pipelzr", ["admin"]),
      COMMANDCENTRAL_AUDIT_PATH: "/api/v1/events/",
      COMMANDCENTRAL_STATE_TRACKER: "true",
      COMMANDCENTRAL_REQUIRED: "true",
      IDEALZR_ENABLED: "true",
      IDEALZR_URL: idealzr.url,
      PUBLIC_URL: "https://pipelzr.example.com",
      SECRET_KEY: central.secret,
    },
  });
});
afterAll(async () => {
  await service?.stop();
  await Promise.all([central?.stop(), idealzr?.stop()]);
});

const cardSchema = z.looseObject({ id: z.string(), state: z.string() });
const listSchema = z.object({ items: z.array(cardSchema), next_cursor: z.string().nullable() });

/** CommandCentral's page as it is planned: the same JWT, from the browser, `items` of every list. */
class Page {
  readonly #client: Client;
  readonly #token: string;

  constructor(token: string) {
    this.#client = new Client(service, token);
    this.#token = token;
  }

  /** Asks as a browser does before it sends a token to another origin. */
  async preflight(path: string, method: string): Promise<void> {
    const reply = await this.#client.call(path, {
      method: "OPTIONS",
      key: null,
      headers: {
        origin: ORIGIN,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(reply.status).toBe(204);
    expect(reply.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(reply.headers.get("access-control-allow-methods")).toContain(method);
    expect(reply.headers.get("access-control-allow-headers")).toMatch(
      /Authorization.*Content-Type/,
    );
  }

  async send(method: string, path: string, json?: object) {
    await this.preflight(path, method);
    const headers = { origin: ORIGIN, authorization: `Bearer ${this.#token}` };
    const reply = await this.#client.call(path, { method, headers, ...(json && { json }) });
    expect(reply.status, reply.text).toBeLessThan(300);
    expect(reply.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    return reply.json;
  }

  async items(path: string) {
    return listSchema.parse(await this.send("GET", path)).items;
  }

  async card(method: string, path: string, json?: object) {
    return cardSchema.parse(await this.send(method, path, json));
  }
}

describe("CommandCentral's browser client", () => {
  test("gets, creates, changes and runs tasks and pipelines, and lists agents, in its own projects", async () => {
    const project_id = central.project({ name: "Shop", owner_id: "u1" });
    central.project({ name: "Other", owner_id: "u2" });
    const page = new Page(central.token("u1"));

    const card = await page.card("POST", "/api/v1/tasks", { ...CODE, project_id });
    const at = `/api/v1/tasks/${card.id}`;
    await page.card("PATCH", at, { description: "On the board." });
    await page.card("POST", `${at}/execute`);
    expect(await page.card("GET", at)).toMatchObject({ state: "completed", project_id });

    const tasks = [{ name: "wait", wait: { signal: "go" } }];
    const definition = { name: "line", tasks, project_id };
    const line = await page.card("POST", "/api/v1/pipelines", definition);
    await page.card("POST", `/api/v1/pipelines/${line.id}/start`);
    await page.card("POST", `/api/v1/pipelines/${line.id}/cancel`);
    const agent = { name: "helper", model: "operator", project_id };
    const { id } = await page.card("POST", "/api/v1/agents", agent);

    for (const [path, wanted] of [
      ["/api/v1/tasks", card.id],
      [`/api/v1/tasks?project_id=${project_id}&state=completed,failed`, card.id],
      ["/api/v1/pipelines", line.id],
      ["/api/v1/agents", id],
    ] as const) {
      await expect
        .poll(async () => (await page.items(path)).map((item) => item.id), WAIT)
        .toEqual([wanted]);
    }
    expect(await page.card("GET", `/api/v1/agents/${id}`)).toMatchObject({ state: "idle" });
    // Another user sees nothing of it.
    expect(await new Page(central.token("u2")).items("/api/v1/tasks")).toEqual([]);
    const foreign = await new Client(service, central.token("u2")).call(at);
    expect(foreign.status).toBe(404);
  });
});

const integrationSchema = z.looseObject({
  health: z.string(),
  pending: z.int(),
  parked: z.int(),
  last_error: z.string().nullable(),
});

async function integration(name: string) {
  const reply = await new Client(service).call(`/api/v1/integrations/${name}`);
  expect(reply.status, reply.text).toBe(200);
  return integrationSchema.parse(reply.json);
}

test("what happens here is told to CommandCentral's tracker, and its audit log is left alone", async () => {
  const task = await new Client(service).call("/api/v1/tasks", {
    json: { ...CODE, execute: true },
  });
  const { id } = cardSchema.parse(task.json);
  const ofTask = () =>
    central.audit.filter(({ entity_id }) => entity_id === id).map(({ event_type }) => event_type);
  await expect
    .poll(ofTask, WAIT)
    .toEqual(["entity_created", ...Array(3).fill("transition_denied")]);
  // The log takes no entries: it was asked once, and that is said.
  await expect
    .poll(() => integration("commandcentral"), WAIT)
    .toMatchObject({ parked: 1, last_error: expect.stringContaining("with 405") });
  expect(central.count("POST", "/api/v1/events/")).toBe(1);
});

test("each run is evidence once, through outages, lost answers and kills", async () => {
  const count = 20;
  const hypothesis_id = idealzr.hypothesis("It scores.");
  const evidence = { hypothesis_id, on: { completed: { data_value: "score" } } };
  idealzr.fault({ kind: "cut", method: "POST", times: 2 });
  const client = new Client(service);
  const begun = Array.from({ length: count }, () =>
    client.call("/api/v1/tasks", { json: { ...CODE, evidence, execute: true } }),
  );
  const collected = () => idealzr.evidence.filter((each) => each.hypothesis_id === hypothesis_id);
  for (const { status, text } of await Promise.all(begun)) expect(status, text).toBe(201);
  await expect.poll(() => collected().length, WAIT).toBeGreaterThanOrEqual(3);
  await service.killAndRecover();
  await expect.poll(() => collected().length, WAIT).toBeGreaterThanOrEqual(count);
  await expect.poll(() => integration("idealzr"), WAIT).toMatchObject({ pending: 0, parked: 0 });
  const runs = collected().map(({ extra_data }) => extra_data.key);
  expect(new Set(runs).size).toBe(count);
  expect(runs).toHaveLength(count);
  expect(idealzr.hypotheses.get(hypothesis_id)).toMatchObject({ evidence_count: count });
  expect(collected()[0]).toMatchObject({
    data_value: 0.5,
    source_url: expect.stringMatching(/^https:\/\/pipelzr\.example\.com\/api\/v1\/tasks\//),
  });
});
