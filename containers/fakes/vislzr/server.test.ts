/** The fake against what is known of VISLZR, its defects included. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { ask } from "../platform/client.ts";
import { type FakeVislzr, startFakeVislzr } from "./server.ts";

let fake: FakeVislzr;

beforeAll(async () => {
  fake = await startFakeVislzr();
});
afterAll(() => fake.stop());
beforeEach(() => fake.clear());

const NODES = "/api/v1/nodes";
const made = z.object({ id: z.string() });

async function node(external_id: string, more: object = {}): Promise<string> {
  const json = { label: external_id, external_id, source_service: "pipelzr", ...more };
  return made.parse((await ask(fake, `POST ${NODES}`, { json })).body).id;
}

it("makes a node with its defaults, without credentials, and answers 200", async () => {
  expect(await ask(fake, `POST ${NODES}`, { json: { label: "a" } })).toMatchObject({
    status: 200,
    body: { node_type: "entity", position: { x: 0, y: 0 }, properties: {}, external_id: null },
  });
});

it("finds a node by its external id, and fails when there are two of them", async () => {
  const id = await node("p:1:a[0]");
  const path = `GET ${NODES}/external/${encodeURIComponent("p:1:a[0]")}?source_service=pipelzr`;
  expect(await ask(fake, path)).toMatchObject({ status: 200, body: { id } });
  const other = await ask(fake, `GET ${NODES}/external/p%3A1%3Aa%5B0%5D?source_service=other`);
  expect(other).toMatchObject({ status: 404, body: { detail: "Node not found" } });
  await node("p:1:a[0]");
  expect((await ask(fake, path)).status).toBe(500);
});

it("replaces what a change names, and takes nothing away", async () => {
  const id = await node("a", { properties: { x: 1, y: 1 }, description: "d" });
  const json = { properties: { x: 2 }, description: null };
  expect(await ask(fake, `PATCH ${NODES}/${id}`, { json })).toMatchObject({
    ...{ status: 200, body: { properties: { x: 2 }, description: "d" } },
  });
  expect(fake.nodes.get(id)?.properties).toEqual({ x: 2 });
  expect((await ask(fake, `PATCH ${NODES}/none`, { json })).status).toBe(404);
});

it("makes nodes in bulk, those that are there again, or none of them", async () => {
  const json = { nodes: [{ label: "a", external_id: "a" }, { label: "b" }] };
  for (const _ of [1, 2]) {
    const { status, body } = await ask(fake, `POST ${NODES}/bulk`, { json });
    expect({ status, body }).toMatchObject({ status: 200, body: { count: 2 } });
  }
  expect(fake.nodes.size).toBe(4);
  const wrong = { nodes: [{ label: "a" }, { label: "" }] };
  expect(await ask(fake, `POST ${NODES}/bulk`, { json: wrong })).toMatchObject({
    ...{ status: 422, body: { detail: [{ loc: ["body", "nodes", 1, "label"] }] } },
  });
  expect(fake.nodes.size).toBe(4);
});

it("lists the newest first, 500 at most, by type and service, without hidden ones", async () => {
  await node("a", { node_type: "task" });
  const hidden = await node("b", { node_type: "task" });
  await node("c", { node_type: "pipeline" });
  await ask(fake, `PATCH ${NODES}/${hidden}`, { json: { is_hidden: true } });
  const names = async (query: string) => {
    const { body } = await ask(fake, `GET ${NODES}?${query}`);
    const schema = z.object({ nodes: z.array(z.object({ external_id: z.string() })) });
    return schema.parse(body).nodes.map(({ external_id }) => external_id);
  };
  expect(await names("")).toEqual(["c", "a"]);
  expect(await names("node_types=task&include_hidden=true")).toEqual(["b", "a"]);
  expect(await names("source_service=other")).toEqual([]);
  expect(await names("include_hidden=true&limit=1&offset=1")).toEqual(["b"]);
  expect((await ask(fake, `GET ${NODES}?limit=501`)).status).toBe(422);
  expect((await ask(fake, `GET ${NODES}?node_types=rumour`)).status).toBe(500);
});

it("relates nodes that are there; in bulk it does not look", async () => {
  const [source_id, target_id] = [await node("a"), await node("b")];
  const json = { source_id, target_id, relationship_type: "contains" };
  expect(await ask(fake, `POST ${NODES}/relationships`, { json })).toMatchObject({
    ...{ status: 200, body: { weight: 1, relationship_type: "contains" } },
  });
  const none = { ...json, target_id: "none" };
  expect(await ask(fake, `POST ${NODES}/relationships`, { json: none })).toMatchObject({
    ...{ status: 404, body: { detail: "Target node not found" } },
  });
  const bulk = { relationships: [json, none] };
  expect((await ask(fake, `POST ${NODES}/relationships/bulk`, { json: bulk })).status).toBe(200);
  expect(fake.relationships.size).toBe(3);
  const count = async (query: string) =>
    z.object({ count: z.int() }).parse((await ask(fake, `GET ${NODES}/${query}`)).body).count;
  expect(await count(`${source_id}/relationships`)).toBe(3);
  expect(await count(`${target_id}/relationships?direction=incoming`)).toBe(2);
  expect(await count(`${target_id}/relationships?direction=outgoing`)).toBe(0);
  expect(await count(`${source_id}/relationships?relationship_types=blocks`)).toBe(0);
  const sideways = await ask(fake, `GET ${NODES}/${source_id}/relationships?direction=sideways`);
  expect(sideways.status).toBe(422);
});

it("deletes a node with its relationships, and one relationship", async () => {
  const [source_id, target_id] = [await node("a"), await node("b")];
  const relate = async () => {
    const json = { source_id, target_id };
    return made.parse((await ask(fake, `POST ${NODES}/relationships`, { json })).body).id;
  };
  const id = await relate();
  expect((await ask(fake, `DELETE ${NODES}/relationships/${id}`)).status).toBe(200);
  expect((await ask(fake, `DELETE ${NODES}/relationships/${id}`)).status).toBe(404);
  await relate();
  expect(await ask(fake, `DELETE ${NODES}/${target_id}`)).toMatchObject({
    ...{ status: 200, body: { deleted: true, node_id: target_id } },
  });
  expect((await ask(fake, `DELETE ${NODES}/${target_id}`)).status).toBe(404);
  expect(fake.relationships.size).toBe(0);
});

it("redirects a slash too many", async () => {
  expect(await ask(fake, `GET ${NODES}/?limit=1`)).toMatchObject({
    ...{ status: 307, location: "/api/v1/nodes?limit=1" },
  });
});

it("shows the whole graph to whoever asserts on it", async () => {
  const [source_id, target_id] = [await node("b"), await node("a")];
  const json = { source_id, target_id, relationship_type: "depends_on" };
  await ask(fake, `POST ${NODES}/relationships`, { json });
  expect((await ask(fake, "GET /__graph")).body).toMatchObject({
    nodes: [{ external_id: "a" }, { external_id: "b" }],
    relationships: ["b depends_on a"],
  });
});
