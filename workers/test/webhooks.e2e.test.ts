/** Webhooks of the built service, before a receiver on the network: through kills, outages and refusals. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { Client, mintKey } from "./client.ts";
import { Receiver } from "./receiver.ts";
import { TestService } from "./service.ts";

/** Each is told of four times: created, queued, started, completed. */
const TASKS = 125;
const EVENTS = 4 * TASKS;
const KILL_AT = [60, 200, 350];
const WAIT = { timeout: 60_000, interval: 50 };

let service: TestService;
let client: Client;
const receiver = new Receiver();
/** What is down in one test, and what others must not wait for. */
const other = new Receiver();

beforeAll(async () => {
  await Promise.all([receiver.start(), other.start()]);
  const hosts = `${receiver.host},${other.host}`;
  service = await TestService.start({ variables: { OUTBOUND_ALLOW_HOSTS: hosts } });
  client = new Client(service);
});
afterAll(async () => {
  await service?.stop();
  await Promise.all([receiver.stop(), other.stop()]);
});

const webhookSchema = z.looseObject({ id: z.string(), secret: z.string() });
const statusSchema = z.looseObject({
  enabled: z.boolean(),
  disabled_reason: z.string().nullable(),
  status: z.looseObject({ health: z.string(), pending: z.int(), parked: z.int() }),
});

/** A webhook of a project of its own, with the key that made it. */
async function webhook(change: object = {}, to = receiver) {
  const project = randomUUID();
  const { key } = await mintKey(service, {
    scopes: ["tasks:read", "tasks:write", "tasks:execute", "webhooks:read", "webhooks:write"],
    projects: [project],
  });
  const path = `/${randomUUID()}`;
  const json = { url: to.url(path), events: ["task.*"], ...change };
  const reply = await client.call("/api/v1/webhooks", { json, key });
  expect(reply.status, reply.text).toBe(201);
  const { id, secret } = webhookSchema.parse(reply.json);
  to.secrets.set(path, secret);
  const at = `/api/v1/webhooks/${id}`;
  return {
    ...{ key, path, project, at, tasks: new Client(service, key) },
    call: (rest = "", json?: object, method = json === undefined ? "GET" : "POST") =>
      client.call(`${at}${rest}`, { key, method, ...(json && { json }) }),
    status: async () => statusSchema.parse((await client.call(at, { key })).json),
  };
}

const typesOf = (to: Receiver, path: string, task?: string) =>
  to
    .at(path)
    .filter(({ body }) => task === undefined || body.data.id === task)
    .map(({ body }) => body.type);
const LIFE = ["task.created", "task.queued", "task.started", "task.completed"];
const CODE = { script: "export default () => 1" };

test(`${EVENTS} deliveries and ${KILL_AT.length} kills: all arrive, in order, and what comes twice has the same id`, async () => {
  const { path, tasks, status } = await webhook();
  const ids = () => new Set(receiver.at(path).map(({ id }) => id)).size;
  // Each kill finds requests that are sent and not answered, and others that are still to come.
  let goal = 0;
  let gate = Promise.withResolvers<void>();
  receiver.answer = async () => {
    if (ids() >= goal) await gate.promise;
    return { status: 204 };
  };
  const created = [];
  for (let begun = 0; begun < TASKS; begun += 25) {
    const batch = Array.from({ length: 25 }, () => tasks.start(CODE));
    created.push(...(await Promise.all(batch)));
  }
  for (goal of KILL_AT) {
    gate.resolve();
    gate = Promise.withResolvers();
    await expect.poll(ids, WAIT).toBeGreaterThanOrEqual(goal);
    expect(ids()).toBeLessThan(EVENTS);
    await service.killAndRecover();
  }
  receiver.answer = () => ({ status: 204 });
  gate.resolve();
  await expect.poll(ids, { ...WAIT, message: service.output }).toBe(EVENTS);
  await expect.poll(status, WAIT).toMatchObject({ status: { pending: 0, parked: 0 } });

  const texts = new Map<string, string>();
  for (const { id, text, signed, correlation } of receiver.at(path)) {
    expect(texts.get(id) ?? text).toBe(text);
    texts.set(id, text);
    expect(signed).toEqual([true]);
    expect(correlation).not.toBe("");
  }
  expect(texts.size).toBe(EVENTS);
  for (const task of created) {
    const told = receiver.at(path).filter(({ body }) => body.data.id === task.id);
    const firsts = told.filter(({ id }, index) => told.findIndex((one) => one.id === id) === index);
    expect(firsts.map(({ body }) => body.type)).toEqual(LIFE);
    const seqs = firsts.map(({ body }) => body.data.seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  }
  const twice = receiver.at(path).length - EVENTS;
  console.log(`webhooks: ${EVENTS} events, ${KILL_AT.length} kills, ${twice} came twice`);
});

test("what is down holds up nothing else, and gets everything once it is back", async () => {
  const down = await webhook({}, other);
  const up = await webhook();
  const both = [down, up];
  await other.stop();
  const started = await Promise.all(both.map(({ tasks }) => tasks.start(CODE)));
  const [late = "", fast = ""] = started.map(({ id }) => id);
  await expect.poll(() => typesOf(receiver, up.path, fast), WAIT).toEqual(LIFE);
  await expect.poll(down.status, WAIT).toMatchObject({ status: { health: "down" } });
  expect((await up.status()).status).toMatchObject({ health: "ok" });
  await other.start();
  await expect.poll(() => typesOf(other, down.path, late), WAIT).toEqual(LIFE);
  await expect.poll(down.status, WAIT).toMatchObject({ status: { health: "ok", pending: 0 } });
  // Neither is told of what happens in the other's project.
  const projects = (to: Receiver, path: string) =>
    new Set(to.at(path).map(({ body }) => body.data.project_id));
  expect(projects(other, down.path)).toEqual(new Set([down.project]));
  expect(projects(receiver, up.path)).toEqual(new Set([up.project]));
});

test("what is refused is parked, past which others go, and redriven with the same id", async () => {
  const { path, tasks, status, call } = await webhook({ events: ["task.completed"] });
  const bad = await tasks.create(CODE);
  receiver.answer = ({ body }) => ({ status: body.data.id === bad.id ? 400 : 200 });
  await tasks.act(bad.id, "execute");
  const good = await tasks.start(CODE);
  await expect.poll(status, WAIT).toMatchObject({ status: { parked: 1, health: "delayed" } });
  await expect.poll(() => typesOf(receiver, path, good.id), WAIT).toEqual(["task.completed"]);
  receiver.answer = () => ({ status: 200 });
  expect((await call("/redrive", { resource_ids: [bad.id] })).json).toEqual({ redriven: 1 });
  await expect.poll(status, WAIT).toMatchObject({ status: { parked: 0, pending: 0 } });
  const told = receiver.at(path).filter(({ body }) => body.data.id === bad.id);
  expect(new Set(told.map(({ id }) => id)).size).toBe(1);
  expect(told).toHaveLength(2);
  const log = await call("/deliveries");
  const first = { resource_id: bad.id, outcome: "failed", status_code: 400 };
  expect(log.json).toMatchObject({
    items: expect.arrayContaining([expect.objectContaining(first)]),
  });
});

test("what is gone is disabled, and goes on with what waited when it is enabled", async () => {
  const { path, tasks, status, call } = await webhook({ events: ["task.completed"] });
  receiver.answer = () => ({ status: 410 });
  const waits = await tasks.start(CODE);
  await expect.poll(status, WAIT).toMatchObject({ enabled: false, status: { health: "disabled" } });
  expect((await status()).disabled_reason).toContain("410");
  receiver.answer = () => ({ status: 200 });
  const missed = await tasks.start(CODE);
  await tasks.settled(missed.id);
  const enabled = await call("", { enabled: true }, "PATCH");
  expect(enabled.json).toMatchObject({ enabled: true, disabled_reason: null });
  const next = await tasks.start(CODE);
  await expect.poll(() => typesOf(receiver, path, next.id), WAIT).toEqual(["task.completed"]);
  await expect.poll(status, WAIT).toMatchObject({ status: { pending: 0 } });
  expect(typesOf(receiver, path, waits.id)).toEqual(["task.completed", "task.completed"]);
});

test("a test says what came back, and a redirect is not followed", async () => {
  const { path, call } = await webhook({ enabled: false });
  expect((await call("/test", {})).json).toMatchObject({ outcome: "delivered", status_code: 200 });
  const away = { location: receiver.url("/elsewhere") };
  receiver.answer = () => ({ status: 302, headers: away });
  expect((await call("/test", {})).json).toMatchObject({ outcome: "failed", status_code: 302 });
  receiver.answer = () => ({ status: 200 });
  expect(receiver.at("/elsewhere")).toEqual([]);
  const again = await call("/deliveries/1/redeliver", {});
  expect(again.json).toMatchObject({ type: "webhook.test", outcome: "delivered" });
  const [first, , third] = receiver.at(path);
  expect([third?.id, third?.text]).toEqual([first?.id, first?.text]);
});

test("while a secret is rotated, both sign", async () => {
  const { path, call } = await webhook();
  const rotated = webhookSchema.parse((await call("/rotate-secret", {})).json);
  await call("/test", {});
  expect(receiver.at(path).at(-1)?.signed).toEqual([false, true]);
  receiver.secrets.set(path, rotated.secret);
  await call("/test", {});
  expect(receiver.at(path).at(-1)?.signed).toEqual([true, false]);
  await call("/rotate-secret", { overlap_seconds: 0 });
  await call("/test", {});
  expect(receiver.at(path).at(-1)?.signed).toEqual([false]);
});
