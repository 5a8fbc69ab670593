/** A tiny service with the faults that a supervisor has to notice, built as the real one is. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DESCRIPTOR_FILE, type Descriptor, MAIN_MODULE, MODULES_FOLDER } from "../lib/bundle.ts";
import { freePort } from "../lib/probe.ts";
import type { SupervisorOptions } from "../lib/supervisor.ts";

const SOURCE = `
import { DurableObject } from "cloudflare:workers";

export class Memory extends DurableObject {
  async set(value) { await this.ctx.storage.put("value", value); }
  async get() { return (await this.ctx.storage.get("value")) ?? null; }
  async arm(ms) { await this.ctx.storage.setAlarm(Date.now() + ms); }
  async alarm() { await this.ctx.storage.put("value", "alarm"); }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const memory = env.MEMORY.getByName("one");
    switch (pathname) {
      case "/hang": for (;;) {}
      case "/set": await memory.set(searchParams.get("value")); return new Response("set");
      case "/get": return new Response(String(await memory.get()));
      case "/arm": await memory.arm(Number(searchParams.get("ms"))); return new Response("armed");
      case "/rows": return Response.json((await env.DB.prepare("SELECT name FROM things").all()).results);
      case "/print": console.log(searchParams.get("text")); return new Response("printed");
      case "/variable": return new Response(env.GREETING + " " + env.ENVIRONMENT);
      default: return new Response("ok");
    }
  },
  async scheduled(controller, env) {
    await env.MEMORY.getByName("one").set("cron " + controller.cron);
  },
};
`;

const DESCRIPTOR: Descriptor = {
  inputs: "fixture",
  config: {
    name: "fixture",
    compatibilityDate: "2026-11-01",
    env: {
      DB: { type: "d1", id: "DB" },
      MEMORY: { type: "durable-object", worker: "fixture", exportName: "Memory" },
      ENVIRONMENT: { type: "text", value: "production" },
    },
    exports: { Memory: { type: "durable-object", storage: "sqlite" } },
  },
  crons: ["* * * * *"],
  database: "DB",
  migrations: [
    { name: "0000_first.sql", queries: ["CREATE TABLE things (name TEXT)"] },
    { name: "0001_second.sql", queries: ["INSERT INTO things VALUES ('a')"] },
  ],
};

export interface Fixture {
  readonly folder: string;
  readonly options: SupervisorOptions;
  remove(): Promise<void>;
}

/** Writes the fixture's build into a new temporary folder. */
export async function createFixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), "pipelzr-supervisor-"));
  const dist = join(folder, "dist");
  await mkdir(join(dist, MODULES_FOLDER), { recursive: true });
  await writeFile(join(dist, MODULES_FOLDER, MAIN_MODULE), SOURCE);
  await writeFile(join(dist, DESCRIPTOR_FILE), JSON.stringify(DESCRIPTOR));
  const options: SupervisorOptions = {
    dist,
    state: join(folder, "state"),
    lockPath: join(folder, "lock.json"),
    temporary: join(folder, "tmp"),
    hostname: "127.0.0.1",
    port: await freePort(),
    variables: { GREETING: "hello", ENVIRONMENT: "local" },
    watchdogMs: 1_000,
    crons: false,
    companions: [],
    onOutput: () => undefined,
  };
  return { folder, options, remove: () => rm(folder, { recursive: true, force: true }) };
}
