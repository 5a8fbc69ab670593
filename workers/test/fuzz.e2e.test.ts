/**
 * Requests that nobody means: wrong, hostile and cut off, over every route. The service answers each
 * with what its API description promises, never with a 5xx, and stores nothing that it refused.
 * FUZZ_REQUESTS says how many, FUZZ_SEED repeats a run.
 */
import { randomBytes } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { problemSchema } from "../http/problem.ts";
import { Client } from "./client.ts";
import {
  brokenBody,
  CONTENT_TYPES,
  mutate,
  oddHeaders,
  oddText,
  oddValue,
  writeJson,
} from "./fuzz-values.ts";
import { Api, type Operation } from "./openapi-client.ts";
import { Random, seedFrom } from "./random.ts";
import { recipeOf } from "./requests.ts";
import { TestService } from "./service.ts";

const REQUESTS = Number(process.env.FUZZ_REQUESTS || 2_000);
const SEED = seedFrom(process.env.FUZZ_SEED);
const CLIENTS = 8;
const MAX_BODY_BYTES = 256 * 1024;
/** Answers that may take longer by design are read this long. */
const PATIENCE_MS = 5_000;
const TEST_TIMEOUT_MS = 60_000 + REQUESTS * 40;
const CANARY = `canary${randomBytes(12).toString("hex")}`;
/** Operations that wait for a run or stream it, as long as a caller asks for. */
const PATIENT = new Set([
  "executeTask",
  "retryTask",
  "cancelTask",
  "streamTaskEvents",
  "readTaskLogs",
  "executePipeline",
  "retryPipeline",
  "cancelPipeline",
  "streamRunEvents",
  "readRunLogs",
  "createAgent",
  "initializeAgent",
  "sendAgentMessage",
  "streamAgentEvents",
]);
type Parameter = keyof typeof COLLECTIONS;
/** How a collection's ids are named in paths. */
const COLLECTIONS = {
  task_id: "tasks",
  pipeline_id: "pipelines",
  agent_id: "agents",
  key_id: "keys",
  secret_id: "secrets",
  runner_id: "runners",
} as const;
/** Revoking one leaves it listed. */
const REVOCABLE: readonly Parameter[] = ["key_id", "runner_id"];

interface Shot {
  readonly index: number;
  readonly operation: Operation;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  readonly chunked: boolean;
  /** The document that the body is, when it is plain JSON. */
  readonly document: Readonly<Record<string, unknown>> | null;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly requestId: string;
  readonly text: string;
  /** Whether the body was read to its end. */
  readonly whole: boolean;
}

let service: TestService;
let client: Client;
let api: Api;
const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
const restarts: string[] = [];
/** Ids that an accepted request created, and those that one deleted. */
const accepted: Record<Parameter, Set<string>> = {
  task_id: new Set(),
  pipeline_id: new Set(),
  agent_id: new Set(),
  key_id: new Set(),
  secret_id: new Set(),
  runner_id: new Set(),
};
const deleted = new Set<string>();
const failures: string[] = [];
const statuses = new Map<number, number>();

beforeAll(async () => {
  service = await TestService.start({
    watchdogMs: 15_000,
    variables: { MAX_BODY_BYTES: String(MAX_BODY_BYTES) },
  });
  service.supervisor.on("restarting", (reason) => restarts.push(reason));
  client = new Client(service);
  api = await Api.of(service);
});
afterAll(async () => {
  agent.destroy();
  await service.stop();
});

function isParameter(name: string): name is Parameter {
  return Object.hasOwn(COLLECTIONS, name);
}

/** A path parameter: mostly one that exists, at times one that cannot. */
function idFor(parameter: string, random: Random): string {
  if (parameter === "run" && random.chance(0.8)) return random.pick(["latest", "1", "2"]);
  if (parameter === "step" && random.chance(0.8)) return random.pick(["make", "double"]);
  const known = isParameter(parameter) ? [...accepted[parameter]] : [];
  if (known.length > 0 && random.chance(0.85)) return random.pick(known);
  return random.pick([oddText(random).toWellFormed().slice(0, 300) || "x", "0".repeat(36)]);
}

function queryFor(operation: Operation, random: Random): string {
  const search = new URLSearchParams(recipeOf(operation.id).query);
  const names = operation.parameters.filter((parameter) => parameter.in === "query");
  for (let left = random.below(3); left > 0; left -= 1) {
    const known = random.chance(0.85) ? names.map(({ name }) => name) : ["unknown", "__proto__"];
    const name = known.length > 0 ? random.pick(known) : "unknown";
    const value = random.pick([oddText(random).toWellFormed().slice(0, 2_000), "1", "true"]);
    if (random.chance(0.2)) search.append(name, value);
    else search.set(name, value);
  }
  return search.size > 0 ? `?${search}` : "";
}

/** The recipe's body with a secret in it, named so that creations do not collide. */
function validBody(operation: Operation, index: number, random: Random): Record<string, unknown> {
  const body = structuredClone({ ...recipeOf(operation.id).body });
  if ("value" in body) body.value = CANARY;
  if ("name" in body) body.name = `N_${index}`;
  if (operation.id === "createTask") {
    body.environment = { TOKEN: "plain" };
    if (random.chance(0.4)) body.execute = true;
    if (random.chance(0.3)) {
      delete body.script;
      delete body.language;
      body.command = random.pick(["echo hi", "cat data/words.txt", "exit 3", "false | true"]);
    }
  }
  return body;
}

/** Half of the requests create what others then name by its id, and some more leave something behind. */
function chooseOperation(random: Random): Operation {
  const { operations } = api;
  const creates = Object.values(COLLECTIONS).map((name) => `/api/v1/${name}`);
  if (random.chance(0.5)) {
    return random.pick(
      operations.filter((one) => one.method === "POST" && creates.includes(one.path)),
    );
  }
  if (random.chance(0.7)) return random.pick(operations);
  return random.pick(operations.filter(({ id }) => /^(create|patch|update)/.test(id)));
}

function aim(index: number): Shot {
  const random = new Random(SEED, index);
  const chosen = chooseOperation(random);
  const method = random.chance(0.03)
    ? random.pick(["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "GET"])
    : chosen.method;
  // Another method of the same path may be another operation.
  const operation =
    api.operations.find((one) => one.path === chosen.path && one.method === method) ?? chosen;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(idFor(name, random)),
  );
  const takesBody = operation.bodyTypes.length > 0 || random.chance(0.05);
  const headers: Record<string, string> = { ...oddHeaders(random) };
  let body: Uint8Array | null = null;
  let document: Record<string, unknown> | null = null;
  if (takesBody) {
    const valid = validBody(operation, index, random);
    const broken = random.chance(0.25);
    document = mutate(valid, operation.bodyMembers, random);
    const text = writeJson(random.chance(0.02) ? oddValue(random) : document);
    body = broken ? brokenBody(text, CANARY, random) : Buffer.from(text);
    headers["content-type"] = random.chance(0.15)
      ? random.pick(CONTENT_TYPES)
      : broken && random.chance(0.5)
        ? "application/yaml"
        : "application/json";
    if (broken || text !== JSON.stringify(document)) document = null;
  }
  // A creation waits for its run, so that its answer names the id: not long.
  if (operation.id === "createTask") headers.prefer = "wait=1";
  return {
    index,
    operation,
    method,
    path: path + queryFor(operation, random),
    headers,
    body,
    chunked: random.chance(0.2),
    document,
  };
}

/** Sends a request as it stands; `fetch` would refuse or correct many of them. */
function fire(shot: Shot): Promise<Answer> {
  const { hostname, port } = new URL(service.url);
  const { method, path, body, chunked } = shot;
  const headers: Record<string, string> = {
    ...shot.headers,
    authorization: `Bearer ${service.key}`,
  };
  if (body !== null && chunked) headers["transfer-encoding"] = "chunked";
  if (body !== null && !chunked) headers["content-length"] = String(body.byteLength);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers, agent }, (response) => {
      readAnswer(shot, response).then(resolve, reject);
    });
    sent.once("error", (error: NodeJS.ErrnoException) => {
      // The service may close an idle connection in the moment in which it is used again.
      const isStale = sent.reusedSocket && ["EPIPE", "ECONNRESET"].includes(error.code ?? "");
      if (isStale) fire(shot).then(resolve, reject);
      else reject(error);
    });
    sent.end(body ?? undefined);
  });
}

async function readAnswer({ operation }: Shot, response: IncomingMessage): Promise<Answer> {
  const type = response.headers["content-type"] ?? "";
  const id = response.headers["x-request-id"];
  const patience = PATIENT.has(operation.id) ? AbortSignal.timeout(PATIENCE_MS / 10) : null;
  const parts: Buffer[] = [];
  let whole = true;
  patience?.addEventListener("abort", () => {
    whole = false;
    response.destroy();
  });
  try {
    for await (const part of response) parts.push(Buffer.from(part));
  } catch (error) {
    if (whole) throw error;
  }
  const text = Buffer.concat(parts).toString("utf8");
  const status = response.statusCode ?? 0;
  return { status, type, requestId: Array.isArray(id) ? "" : (id ?? ""), text, whole };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Everything wrong with an answer; empty for a good one. */
function judge(shot: Shot, answer: Answer): string[] {
  const { status, type, text, whole } = answer;
  const { operation, method } = shot;
  const wrong: string[] = [];
  if (status >= 500 || status < 200) wrong.push(`status ${status}`);
  if (!answer.requestId) wrong.push("no X-Request-Id");
  if (text.includes(CANARY) && (status >= 400 || operation.path.includes("/secrets"))) {
    wrong.push("the secret is echoed");
  }
  if (method !== operation.method)
    return method === "HEAD" && text !== "" ? ["HEAD with body"] : wrong;
  // A body that nobody asked for may be refused for its size.
  const unasked = status === 413 && operation.bodyTypes.length === 0;
  if (!unasked && !operation.statuses.includes(status)) wrong.push(`undocumented status ${status}`);
  if (status >= 400) {
    if (type !== "application/problem+json") wrong.push(`an error of type ${type}`);
    const problem = problemSchema.safeParse(parse(text));
    if (!problem.success) wrong.push("an error that is no problem document");
    else if (problem.data.request_id !== answer.requestId) wrong.push("another request_id");
    else if (problem.data.status !== status) wrong.push("another status in the body");
    if (/\n\s+at .*:\d+:\d+/.test(text)) wrong.push("a stack trace");
  } else if (type.startsWith("application/json") && whole) {
    const checked = api.check(operation, status, "application/json", parse(text));
    if (checked?.valid === false)
      wrong.push(`not as documented: ${JSON.stringify(checked.errors.slice(0, 3))}`);
  }
  return wrong;
}

/** Whether `actual` holds everything that `sent` says. */
function holds(actual: unknown, sent: unknown): boolean {
  if (typeof sent !== "object" || sent === null) return Object.is(actual, sent) || actual === sent;
  if (typeof actual !== "object" || actual === null) return false;
  if (Array.isArray(sent) && (!Array.isArray(actual) || actual.length !== sent.length))
    return false;
  return Object.entries(sent).every(
    ([key, value]) => Object.hasOwn(actual, key) && holds(Reflect.get(actual, key), value),
  );
}

const createdSchema = z.looseObject({ id: z.string() });

/** Keeps what was accepted, and compares it with what was sent. */
function record(shot: Shot, answer: Answer): string[] {
  const { operation, document, method, path } = shot;
  if (method !== operation.method) return [];
  const parameter = Object.keys(COLLECTIONS)
    .filter(isParameter)
    .find((name) => operation.path.includes(`/${COLLECTIONS[name]}`));
  if (!parameter) return [];
  if (answer.status === 204 && method === "DELETE" && !REVOCABLE.includes(parameter)) {
    deleted.add(decodeURIComponent(path.split("?")[0]?.split("/").at(-1) ?? ""));
  }
  if (answer.status !== 201) return [];
  const created = createdSchema.parse(parse(answer.text));
  accepted[parameter].add(created.id);
  if (operation.id !== "createTask" || document === null) return [];
  const { files: _, execute: __, project_id: ___, language, ...rest } = document;
  // No language said is the default one in the answer.
  const sent = typeof language === "string" ? { language, ...rest } : rest;
  return holds(created, sent)
    ? []
    : [`accepted ${JSON.stringify(sent).slice(0, 500)} as something else`];
}

async function shoot(index: number): Promise<void> {
  const shot = aim(index);
  const about = `#${index} ${shot.method} ${shot.path.slice(0, 200)}`;
  try {
    const answer = await fire(shot);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const wrong = [...judge(shot, answer), ...record(shot, answer)];
    if (wrong.length > 0) {
      const sent = Buffer.from(shot.body ?? [])
        .toString("utf8")
        .slice(0, 600);
      failures.push(
        `${about} ${JSON.stringify(shot.headers).slice(0, 400)}\n  ${wrong.join("; ")}\n  sent: ${sent}\n  got: ${answer.status} ${answer.text.slice(0, 600)}`,
      );
    }
  } catch (error) {
    failures.push(`${about}: ${String(error)}`);
  }
}

test(
  `${REQUESTS} requests that nobody means`,
  async () => {
    console.log(`fuzz: FUZZ_SEED=${SEED} repeats this run of ${REQUESTS} requests`);
    const began = performance.now();
    let next = 0;
    const work = async () => {
      while (next < REQUESTS) await shoot(next++);
    };
    await Promise.all(Array.from({ length: CLIENTS }, work));
    const seconds = (performance.now() - began) / 1000;
    const counts = [...statuses]
      .sort(([a], [b]) => a - b)
      .map(([status, count]) => `${status}×${count}`);
    console.log(`fuzz: ${REQUESTS} requests in ${seconds.toFixed(1)} s: ${counts.join(" ")}`);
    expect(
      failures.slice(0, 10),
      `${failures.length} failures, FUZZ_SEED=${SEED}\n${service.output.slice(-4_000)}`,
    ).toEqual([]);
    expect(restarts).toEqual([]);
    // A battery that is refused everywhere tests nothing.
    for (const ids of Object.values(accepted)) expect(ids.size).toBeGreaterThan(REQUESTS / 200);
  },
  TEST_TIMEOUT_MS,
);

test(
  "what is stored is what was accepted, and all of it is well formed",
  async () => {
    const there = [...accepted.task_id].filter((id) => !deleted.has(id)).sort();
    const listed = async () => (await client.list()).map(({ id }) => id).sort();
    await expect.poll(listed, { timeout: 20_000, interval: 200 }).toEqual(there);
    for (const id of there) expect((await client.task(id)).id).toBe(id);
    for (const parameter of ["secret_id", "key_id", "runner_id"] as const) {
      const path = `/api/v1/${COLLECTIONS[parameter]}`;
      const found: string[] = [];
      let cursor = "";
      do {
        const reply = await client.call(`${path}?limit=200${cursor}`);
        const operation = api.operations.find((one) => one.path === path && one.method === "GET");
        if (!operation) throw new Error(`No list at ${path}.`);
        const checked = api.check(operation, 200, "application/json", reply.json);
        expect(checked?.errors).toEqual([]);
        const page = z
          .object({ items: z.array(createdSchema), next_cursor: z.string().nullable() })
          .parse(reply.json);
        found.push(...page.items.map(({ id }) => id));
        cursor = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
      } while (cursor !== "");
      expect(found.sort()).toEqual(
        [...accepted[parameter]].filter((id) => !deleted.has(id)).sort(),
      );
    }
  },
  TEST_TIMEOUT_MS,
);

test("a secret that was sent is nowhere in what the service printed", () => {
  expect(service.output).not.toContain(CANARY);
  expect(service.output).not.toContain(service.key);
});
