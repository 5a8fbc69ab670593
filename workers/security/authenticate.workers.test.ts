import { env } from "cloudflare:workers";
import { base64url, exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type Call, isolate } from "../test/app.ts";
import { ACCEPTED_MS, REFUSED_MS } from "./authenticate.ts";
import { sha256 } from "./hash.ts";

const SECRET = "3Vh0q9aXcR7uTz1LmN5pKw8sYdFg2JbE";
const ADMIN = "admin-Q2w8E4r6T1y3U5i7O9p0A8s6D4f2";
const asAdmin = { key: ADMIN };

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function deployed(variables: Record<string, string> = {}) {
  return isolate([], { ENVIRONMENT: "production", PIPELZR_ADMIN_KEY: ADMIN, ...variables });
}

async function createKey(call: Call, body: Record<string, unknown>) {
  const created = await call("/api/v1/keys", { body: { name: "k", ...body }, ...asAdmin });
  expect(created.status, created.text).toBe(201);
  return z.object({ id: z.string(), key: z.string(), prefix: z.string() }).parse(created.body);
}

describe("credentials from the configuration", () => {
  it("admits the admin key deployed, and the development key only locally", async () => {
    const { call } = deployed();
    expect((await call("/api/v1/keys", asAdmin)).status).toBe(200);
    expect((await call("/api/v1/keys")).status).toBe(401);
    expect((await isolate().call("/api/v1/keys")).status).toBe(200);
  });

  it("closes a deployment that admits nobody, and says which variable to set", async () => {
    const { call } = isolate([], { ENVIRONMENT: "production" });
    expect(await call("/health", { key: null })).toMatchObject({ status: 200 });
    for (const path of ["/", "/docs", "/openapi.json", "/api/v1/keys", "/metrics"]) {
      const reply = await call(path);
      expect(reply, path).toMatchObject({ status: 503, body: { code: "misconfigured" } });
      expect(reply.text).toContain("PIPELZR_ADMIN_KEY");
    }
    const ready = await call("/ready", { key: null });
    expect(ready).toMatchObject({ status: 503, body: { status: "not_ready" } });
  });

  it("refuses weak and placeholder secrets as if they were not set", async () => {
    for (const weak of ["short", "change-me-change-me-change-me-change", "a".repeat(40)]) {
      const { call } = isolate([], { ENVIRONMENT: "production", PIPELZR_ADMIN_KEY: weak });
      expect((await call("/api/v1/keys", { key: weak })).status, weak).toBe(503);
    }
  });

  it("answers health when the variables are not usable, and names them elsewhere", async () => {
    const { call } = isolate([], { RATE_LIMIT_WINDOW: "soon" });
    expect((await call("/health")).status).toBe(200);
    const reply = await call("/api/v1/keys");
    expect(reply).toMatchObject({ status: 503, body: { code: "misconfigured" } });
    expect(reply.text).toContain("RATE_LIMIT_WINDOW");
  });
});

describe("credentials in a request", () => {
  const { call } = isolate();

  it("challenges a request without one, and one with a bad one", async () => {
    const none = await call("/api/v1/keys", { key: null });
    expect(none.status).toBe(401);
    expect(none.headers.get("www-authenticate")).toBe('Bearer realm="pipelzr"');
    const bad = await call("/api/v1/keys", { key: "nonsense" });
    expect(bad.headers.get("www-authenticate")).toContain("invalid_token");
    for (const authorization of ["Basic eDp5", "Bearer", "Bearer a b", ""]) {
      const reply = await call("/api/v1/keys", { key: null, headers: { authorization } });
      expect(reply.status, authorization).toBe(401);
    }
  });

  it("accepts X-API-Key, and refuses two that differ", async () => {
    const header = { "x-api-key": "test-dev-key" };
    expect((await call("/api/v1/keys", { key: null, headers: header })).status).toBe(200);
    expect((await call("/api/v1/keys", { key: "other", headers: header })).status).toBe(401);
  });

  it("ask to check the address too when they are unknown here", async () => {
    const { body: made } = await call("/api/v1/keys", {
      body: { name: "k", scopes: ["tasks:read"] },
    });
    const unknown = String(made.key).replace(/.{8}$/, "00000000");
    expect(unknown).toMatch(/^plz_.*00000000$/);
    for (const key of [unknown, "nonsense"]) {
      const reply = await call("/api/v1/keys", { key });
      expect(reply.status).toBe(401);
      expect(reply.body.detail, key).toContain("that the URL is of the service");
    }
  });

  it("takes no credential from the query", async () => {
    expect((await call("/api/v1/keys?token=test-dev-key", { key: null })).status).toBe(401);
  });
});

describe("API keys", () => {
  it("shows a key once, stores only its hash, and grants no more than its scopes", async () => {
    const { call } = deployed();
    const created = await createKey(call, { scopes: ["metrics:read"], projects: ["p1"] });
    expect(created.key).toMatch(/^plz_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}$/);
    expect(created.key.startsWith(created.prefix)).toBe(true);
    const { results } = await env.DB.prepare("SELECT * FROM api_keys").all();
    expect(JSON.stringify(results)).not.toContain(created.key);
    const read = await call(`/api/v1/keys/${created.id}`, asAdmin);
    expect(read.body).toMatchObject({ scopes: ["metrics:read"], projects: ["p1"] });
    expect(read.text).not.toContain(created.key);
    expect((await call("/metrics", { key: created.key })).status).toBe(200);
    const refused = await call("/api/v1/keys", { key: created.key });
    expect(refused).toMatchObject({ status: 403, body: { required_scope: "keys:admin" } });
  });

  it("asks D1 once for a key that is used again and again", async () => {
    const { call, env: bindings } = deployed();
    const { key } = await createKey(call, { scopes: ["keys:admin"] });
    const prepare = vi.spyOn(bindings.DB, "prepare");
    const lookups = () =>
      prepare.mock.calls.filter(([sql]) => sql.includes("FROM api_keys WHERE hash")).length;
    for (let n = 0; n < 5; n += 1) await call("/api/v1/keys", { key });
    expect(lookups()).toBe(1);
    const unknown = `plz_AAAAAAAA_${"x".repeat(43)}`;
    for (let n = 0; n < 5; n += 1) await call("/api/v1/keys", { key: unknown });
    expect(lookups()).toBe(2);
    await call("/api/v1/keys", { key: "plz_too_short" });
    expect(lookups()).toBe(2);
  });

  it("refuses a revoked key at once here, and elsewhere when the cached answer ends", async () => {
    const here = deployed();
    const elsewhere = deployed();
    const { id, key } = await createKey(here.call, { scopes: ["metrics:read"] });
    expect((await elsewhere.call("/metrics", { key })).status).toBe(200);
    expect((await here.call("/metrics", { key })).status).toBe(200);
    const revoked = await here.call(`/api/v1/keys/${id}`, { method: "DELETE", ...asAdmin });
    expect(revoked.status).toBe(204);
    expect((await here.call("/metrics", { key })).status).toBe(401);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ACCEPTED_MS + 1 });
    expect((await elsewhere.call("/metrics", { key })).status).toBe(401);
    const listed = await here.call("/api/v1/keys", asAdmin);
    expect(listed.text).toContain(id);
  });

  it("ends with its expiry, also within the time of the cached answer", async () => {
    const { call } = deployed();
    const { key } = await createKey(call, { scopes: ["metrics:read"], expires_in_seconds: 3 });
    expect((await call("/metrics", { key })).status).toBe(200);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_001 });
    const expired = await call("/metrics", { key });
    expect(expired.status).toBe(401);
    expect(expired.text).toContain("expired");
  });

  it("forgets a refusal soon, so that a key created meanwhile works", async () => {
    const { call, env: bindings } = deployed();
    const key = `plz_BBBBBBBB_${"y".repeat(43)}`;
    expect((await call("/metrics", { key })).status).toBe(401);
    await bindings.DB.prepare(
      "INSERT INTO api_keys (id, name, prefix, hash, scopes, projects, created_by, created_at) VALUES ('later', 'later', 'plz_BBBBBBBB', ?, '[\"metrics:read\"]', NULL, 'test', 0)",
    )
      .bind(sha256(key))
      .run();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + REFUSED_MS + 1 });
    expect((await call("/metrics", { key })).status).toBe(200);
  });
});

describe("CommandCentral tokens", () => {
  const jwt = isolate([], {
    ENVIRONMENT: "production",
    SECRET_KEY: SECRET,
    JWT_ISSUER: "commandcentral",
    JWT_AUDIENCE: "pipelzr",
  });
  const sign = (
    claims: Record<string, unknown>,
    { secret = SECRET, iat = "0s", exp = "1h", iss = "commandcentral", aud = "pipelzr" } = {},
  ) => {
    const token = new SignJWT({ sub: "u1", roles: ["admin"], ...claims })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer(iss)
      .setAudience(aud);
    if (iat !== "") token.setIssuedAt(iat);
    if (exp !== "") token.setExpirationTime(exp);
    return token.sign(new TextEncoder().encode(secret));
  };
  const statusOf = async (key: string) => (await jwt.call("/api/v1/keys", { key })).status;

  it("admits a good one and maps its roles to scopes", async () => {
    expect(await statusOf(await sign({}))).toBe(200);
    expect(await statusOf(await sign({ roles: ["user"] }))).toBe(403);
    expect(await statusOf(await sign({ roles: [] }))).toBe(403);
    const metrics = async (roles: string[]) =>
      (await jwt.call("/metrics", { key: await sign({ roles }) })).status;
    expect(await metrics(["viewer"])).toBe(200);
    expect(await metrics(["nobody"])).toBe(403);
  });

  it("refuses each kind of bad one", async () => {
    const encode = (part: unknown) => base64url.encode(JSON.stringify(part));
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: "u1", roles: ["admin"], iss: "commandcentral", aud: "pipelzr", iat: now };
    const unsigned = `${encode({ alg: "none" })}.${encode({ ...claims, exp: now + 60 })}.`;
    const good = await sign({});
    const [header = "", , signature = ""] = good.split(".");
    const forged = `${header}.${encode({ ...claims, sub: "root", exp: now + 60 })}.${signature}`;
    const bad: Record<string, string> = {
      unsigned,
      forged,
      "other secret": await sign({}, { secret: "x".repeat(32) }),
      "no expiry": await sign({}, { exp: "" }),
      expired: await sign({}, { exp: "-1m" }),
      "no iat": await sign({}, { iat: "" }),
      "too old": await sign({}, { iat: "-25h" }),
      "from the future": await sign({}, { iat: "1h" }),
      "wrong issuer": await sign({}, { iss: "evil" }),
      "wrong audience": await sign({}, { aud: "other" }),
      "no subject": await sign({ sub: undefined }),
      "projects that are none": await sign({ project_ids: ["*", "../x"] }),
    };
    for (const [name, token] of Object.entries(bad)) expect(await statusOf(token), name).toBe(401);
  });

  it("takes its key set from the issuer and no algorithm but the pinned one", async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "RS256", use: "sig" };
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => Response.json({ keys: [jwk] }));
    const { call } = isolate([], {
      ENVIRONMENT: "production",
      JWT_ALGORITHM: "RS256",
      JWT_JWKS_URL: "https://issuer.test/jwks.json",
      SECRET_KEY: SECRET,
    });
    const token = () =>
      new SignJWT({ sub: "u1", roles: ["admin"] }).setIssuedAt().setExpirationTime("1h");
    const good = await token().setProtectedHeader({ alg: "RS256", kid: "k1" }).sign(privateKey);
    expect((await call("/api/v1/keys", { key: good })).status).toBe(200);
    const confused = await token()
      .setProtectedHeader({ alg: "HS256", kid: "k1" })
      .sign(new TextEncoder().encode(JSON.stringify(jwk)));
    expect((await call("/api/v1/keys", { key: confused })).status).toBe(401);
    const shared = await token()
      .setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(SECRET));
    expect((await call("/api/v1/keys", { key: shared })).status).toBe(401);
  });

  it("answers 503 while the issuer's keys cannot be read", async () => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("", { status: 500 }));
    const { privateKey } = await generateKeyPair("ES256");
    const { call } = isolate([], {
      ENVIRONMENT: "production",
      JWT_ALGORITHM: "ES256",
      JWT_JWKS_URL: "https://down.test/jwks.json",
    });
    const key = await new SignJWT({ sub: "u1" })
      .setProtectedHeader({ alg: "ES256" })
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(privateKey);
    expect((await call("/metrics", { key })).status).toBe(503);
  });

  it("says what is wrong when a token comes and SECRET_KEY is refused", async () => {
    const { call } = deployed({ SECRET_KEY: "your-secret-key-change-in-production" });
    const reply = await call("/metrics", { key: await sign({}) });
    expect(reply).toMatchObject({ status: 503, body: { code: "misconfigured" } });
    expect(reply.text).toContain("SECRET_KEY");
    expect(reply.text).not.toContain("your-secret-key");
  });
});
