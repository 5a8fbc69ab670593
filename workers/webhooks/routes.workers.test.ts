/** `/api/v1/webhooks`, with the real services and couriers; nothing is reached from here. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { courierNames, sweepOutbox } from "../couriers.ts";
import { isolate } from "../test/app.ts";

/** A closed port, which the guard lets through. */
const HOSTS = { OUTBOUND_ALLOW_HOSTS: "127.0.0.1:1" };
const { call } = isolate([], HOSTS);
const PATH = "/api/v1/webhooks";
const BODY = { url: "http://127.0.0.1:1/in", events: ["task.*", "*.failed"] };

async function created(change: object = {}) {
  const reply = await call(PATH, { body: { ...BODY, ...change } });
  expect(reply.status, reply.text).toBe(201);
  return { ...reply, id: String(reply.body.id), path: `${PATH}/${reply.body.id}` };
}

const cursors = async () =>
  (await env.DB.prepare("SELECT name FROM courier_cursors").all()).results.map(({ name }) => name);

describe("webhooks", () => {
  it("are made with a secret that is shown once", async () => {
    const { body, path, headers, id } = await created({ description: "  mine " });
    expect(body).toMatchObject({ ...BODY, description: "mine", enabled: true, revision: 1 });
    expect(body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(headers.get("location")).toBe(path);
    const read = await call(path);
    expect(read.body).toMatchObject({ id, status: { health: "ok", pending: 0, parked: 0 } });
    expect(read.text).not.toContain("whsec_");
    const stored = await env.DB.prepare("SELECT * FROM webhooks").all();
    expect(JSON.stringify(stored.results)).not.toContain(String(body.secret).slice(6));
    expect(await courierNames(env)).toContain(`webhook:${id}`);
  });

  it("are made once by a repeated request, which does not show the secret", async () => {
    const again = { body: BODY, headers: { "idempotency-key": "once" } };
    const [first, second] = [await call(PATH, again), await call(PATH, again)];
    expect(second.status, second.text).toBe(201);
    expect(second.body.id).toBe(first.body.id);
    expect([first.body.secret === null, second.body.secret]).toEqual([false, null]);
  });

  it("are refused with all that is wrong", async () => {
    const bad = {
      url: 7,
      events: ["task.complete", "no.such"],
      filter: { labels: {} },
      secret: "x",
    };
    const { status, body } = await call(PATH, { body: bad });
    expect(status).toBe(422);
    const paths = ["url", "events[0]", "events[1]", "filter.labels", "secret"];
    const errors = Array.isArray(body.errors) ? body.errors : [];
    expect(errors.map(({ path }) => path).sort()).toEqual(paths.sort());
    expect(JSON.stringify(errors)).toContain('Did you mean \\"task.completed\\"?');
    for (const url of ["http://10.0.0.1/", "ftp://example.com/", "https://u:p@example.com/", "x"]) {
      const refused = await call(PATH, { body: { ...BODY, url } });
      expect(refused.status, url).toBe(422);
      expect(refused.body, url).toMatchObject({ errors: [{ path: "url" }] });
    }
  });

  it("are changed by whoever has read them", async () => {
    const { path } = await created();
    const stale = { method: "PATCH", body: { enabled: false }, headers: { "if-match": '"v9"' } };
    expect((await call(path, stale)).status).toBe(412);
    const current = { ...stale, headers: { "if-match": '"v1"' } };
    expect((await call(path, current)).body).toMatchObject({ enabled: false, revision: 2 });
    expect((await call(path)).body).toMatchObject({ status: { health: "disabled" } });
    expect(await courierNames(env)).not.toContain(path.replace(`${PATH}/`, "webhook:"));
    const back = await call(path, { method: "PATCH", body: { enabled: true, events: ["*"] } });
    expect(back.body).toMatchObject({ enabled: true, events: ["*"], revision: 3 });
    const refused = await call(path, { method: "PATCH", body: { url: "http://127.0.0.1/" } });
    expect(refused.status).toBe(422);
  });

  it("say how it went to send something", async () => {
    const { path, id } = await created();
    const { status, body } = await call(`${path}/test`, { method: "POST" });
    expect(status).toBe(200);
    expect(body).toMatchObject({ type: "webhook.test", outcome: "failed", resource_id: id });
    const again = await call(`${path}/deliveries/${body.number}/redeliver`, { method: "POST" });
    expect(again.body).toMatchObject({ event_id: body.event_id, outcome: "failed" });
    const first = await call(`${path}/deliveries?limit=1`);
    expect(first.body).toMatchObject({ items: [{ number: again.body.number }] });
    const rest = await call(`${path}/deliveries?cursor=${first.body.next_cursor}`);
    expect(rest.body).toMatchObject({ items: [{ number: body.number }], next_cursor: null });
    expect((await call(`${path}/deliveries/99/redeliver`, { method: "POST" })).status).toBe(404);
    const redriven = await call(`${path}/redrive`, { body: {} });
    expect(redriven.body).toEqual({ redriven: 0 });
  });

  it("get another secret, beside which the one before signs for a while", async () => {
    const { path, body } = await created();
    const rotated = await call(`${path}/rotate-secret`, {
      body: {},
      headers: { "idempotency-key": "rotate-once" },
    });
    expect(rotated.status, rotated.text).toBe(200);
    expect(rotated.body.secret).not.toBe(body.secret);
    const until = Date.parse(String(rotated.body.previous_secret_until)) - Date.now();
    expect(Math.round(until / 3_600_000)).toBe(24);
    const repeated = await call(`${path}/rotate-secret`, {
      body: {},
      headers: { "idempotency-key": "rotate-once" },
    });
    expect(repeated.body).toMatchObject({ secret: null, revision: rotated.body.revision });
    const hard = await call(`${path}/rotate-secret`, { body: { overlap_seconds: 0 } });
    expect(hard.body).toMatchObject({ previous_secret_until: null });
  });

  it("are sealed anew with the first master key, as secrets are", async () => {
    const { id } = await created();
    const k2 = `k2:${Buffer.alloc(32, 2).toString("base64")}`;
    const k1 = `k1:${Buffer.alloc(32, 7).toString("base64")}`;
    const keyed = isolate([], { ...HOSTS, SECRETS_MASTER_KEYS: `${k2},${k1}` });
    const rotation = await keyed.call("/api/v1/secrets/rotate", { method: "POST" });
    expect(rotation.body).toMatchObject({ remaining: 0, unreadable: [] });
    const { results } = await env.DB.prepare(
      "SELECT secret ->> 'key_id' AS key_id FROM webhooks WHERE id = ?",
    )
      .bind(id)
      .all();
    expect(results).toEqual([{ key_id: "k2" }]);
    const only = isolate([], { ...HOSTS, SECRETS_MASTER_KEYS: k2 });
    const sent = await only.call(`${PATH}/${id}/test`, { method: "POST" });
    expect(sent.status, sent.text).toBe(200);
    const lost = await call(`${PATH}/${id}/test`, { method: "POST" });
    expect(lost.body).toMatchObject({ code: "misconfigured" });
  });

  it("leave nothing when they are deleted, and what they left is swept", async () => {
    const { path, id } = await created();
    expect(await cursors()).toContain(`webhook:${id}`);
    expect((await call(path, { method: "DELETE" })).status).toBe(204);
    expect((await call(path)).status).toBe(404);
    expect(await cursors()).not.toContain(`webhook:${id}`);
    const other = await created();
    await env.DB.prepare("DELETE FROM webhooks WHERE id = ?").bind(other.id).run();
    await sweepOutbox(env, Date.now());
    expect(await cursors()).not.toContain(`webhook:${other.id}`);
  });

  it("are not without bound", async () => {
    await env.DB.prepare("DELETE FROM webhooks").run();
    for (let count = 0; count < 50; count += 1) await created({ project_id: "full" });
    const over = await call(PATH, { body: { ...BODY, project_id: "full" } });
    expect(over.status).toBe(409);
    await created({ project_id: "other" });
    const { body } = await call(`${PATH}?project_id=other&enabled=true`);
    expect(body).toMatchObject({ items: [{ project_id: "other" }], next_cursor: null });
  });
});
