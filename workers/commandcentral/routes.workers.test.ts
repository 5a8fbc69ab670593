/** Projects as they are seen here, and the codebases of their repositories. */
import { beforeEach, describe, expect, it } from "vitest";
import { central, connected, tokenOf } from "./test-support.ts";

/** What nothing listens at, so that the import fails. */
const HOST = "127.0.0.1:9";
const REPO = `http://${HOST}/acme/shop.git`;

beforeEach(async () => {
  await central.clear();
  await central.configure({ patched: true });
});

/** The service with a token for calls that no user makes. */
const withToken = (more: Record<string, string> = {}) =>
  connected({
    COMMANDCENTRAL_TOKEN: tokenOf("pipelzr", ["admin"]),
    OUTBOUND_ALLOW_HOSTS: HOST,
    ...more,
  });

describe("GET /projects/{id}", () => {
  it("shows the project as CommandCentral has it, to its members by their own token", async () => {
    const { call } = connected();
    const id = await central.project("u1", { repo_url: REPO });
    const reply = await call(`/api/v1/projects/${id}`, {
      key: tokenOf("u1"),
      headers: { "x-correlation-id": "order-7" },
    });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({
      ...{ id, error: null, as_of: expect.any(String) },
      project: { id, name: "Shop", repo_url: REPO, owner_id: "u1", state: "proposed" },
    });
    const calls = (await central.calls()).filter(({ path }) => path.endsWith(id));
    expect(calls).toMatchObject([{ headers: { "x-correlation-id": "order-7" } }]);
    expect((await call(`/api/v1/projects/${id}`, { key: tokenOf("u2") })).status).toBe(404);
  });

  it("shows it to keys by COMMANDCENTRAL_TOKEN, and says where it is from", async () => {
    const { call } = withToken();
    const id = await central.project("u1");
    const path = `/api/v1/projects/${id}`;
    expect((await call(path)).body).toMatchObject({ source: "commandcentral" });
    expect((await call(path)).body).toMatchObject({ source: "cache", error: null });
    expect((await call("/api/v1/projects/none")).status).toBe(404);
  });

  it("says that nothing is known, and why", async () => {
    const id = await central.project("u1");
    await central.configure({ patched: false });
    const path = `/api/v1/projects/${id}`;
    const unpatched = await withToken().call(path);
    expect(unpatched.body).toMatchObject({ source: "unavailable", project: null, as_of: null });
    expect(unpatched.body.error).toMatch(/with 500/);
    expect((await connected().call(path)).body.error).toBe("COMMANDCENTRAL_TOKEN is not set.");
    const off = await withToken({ COMMANDCENTRAL_ENABLED: "false" }).call(path);
    expect(off.body).toMatchObject({ error: "COMMANDCENTRAL_ENABLED is false." });
  });
});

describe("POST /projects/{id}/codebase", () => {
  const post = (call: ReturnType<typeof connected>["call"], id: string, body: object = {}) =>
    call(`/api/v1/projects/${id}/codebase`, { body, detached: true });

  it("makes a codebase of the project's repository, in the project", async () => {
    const { call } = withToken();
    const id = await central.project("u1", { repo_url: "git@127.0.0.1:acme/shop.git" });
    // An address of this machine is never asked for anything.
    const refused = await post(call, id);
    expect(refused, refused.text).toMatchObject({
      ...{ status: 422, body: { errors: [{ path: "repo_url" }] } },
    });
    const secret = await post(call, id, { repo_url: REPO, secret: "NONE" });
    expect(secret.body.errors).toMatchObject([{ path: "secret" }]);
    const other = await central.project("u1", { repo_url: REPO });
    const made = await post(call, other, { ref: "main" });
    expect(made, made.text).toMatchObject({
      status: 201,
      body: { project_id: other, name: "acme/shop", source: { url: REPO, ref: "main" } },
    });
    const { headers } = made;
    const snapshots = await call(`${headers.get("location")}/snapshots`);
    expect(snapshots.body.items).toMatchObject([{ source: { url: REPO }, ref: "main" }]);
    expect((await post(call, other)).status).toBe(409);
  });

  it("takes the address from the request, while CommandCentral cannot tell it", async () => {
    const { call } = withToken();
    const id = await central.project("u1");
    await central.configure({ patched: false });
    expect(await post(call, id)).toMatchObject({ status: 503, body: { code: "unavailable" } });
    const made = await post(call, id, { repo_url: REPO, name: "mine" });
    expect(made, made.text).toMatchObject({ status: 201, body: { name: "mine" } });
  });

  it("refuses a project without a repository, and one whose address is none", async () => {
    const { call } = withToken();
    const none = await central.project("u1");
    expect((await post(call, none)).body.errors).toMatchObject([{ path: "repo_url" }]);
    const odd = await central.project("u1", { repo_url: "../shop" });
    expect(await post(call, odd)).toMatchObject({
      ...{ status: 422, body: { errors: [{ path: "repo_url" }] } },
    });
  });
});
