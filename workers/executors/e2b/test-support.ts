/** For tests of sandboxes: the wiring to the fake E2B, and what one can do to that. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject, vi } from "vitest";
import { z } from "zod";
import { remoteWiring } from "../../remote-attempt.ts";
import { TestOwner } from "../backend-executor.ts";
import type { Recorder } from "../contract.ts";
import type { ContractDeps } from "../contract-support.ts";
import { type AttemptBackend, type DetachedRef, dispatchKey } from "../detached.ts";
import type { AttemptRequest, Work } from "../port.ts";
import { createRemoteBackend } from "./backend.ts";
import type { RemoteOwner, RemotePorts, SandboxLimits } from "./ports.ts";
import { createE2BService } from "./sdk.ts";
import type { AttemptState } from "./state.ts";
import { AttemptStore } from "./store.ts";

const fakes = inject("fakes");

export const service = createE2BService({
  apiKey: fakes.api_key,
  apiUrl: fakes.e2b,
  sandboxUrl: fakes.e2b,
});
/** E2B with a key that it does not know. */
export const strangers = createE2BService({
  apiKey: `e2b_${"f".repeat(40)}`,
  apiUrl: fakes.e2b,
  sandboxUrl: fakes.e2b,
});
/** E2B at another address. */
export const serviceAt = (apiUrl: string) =>
  createE2BService({ apiKey: fakes.api_key, apiUrl, sandboxUrl: apiUrl });
export const backend: AttemptBackend = createRemoteBackend(env.REMOTE_ATTEMPT);

const stateSchema = z.object({
  create_requests: z.number(),
  sandboxes: z.array(
    z.object({
      id: z.string(),
      state: z.enum(["running", "paused"]),
      metadata: z.record(z.string(), z.string()),
      ends_at: z.string(),
      processes: z.array(z.object({ pid: z.number(), args: z.array(z.string()) })),
    }),
  ),
});
export type FakeState = z.output<typeof stateSchema>;

export async function fakeState(): Promise<FakeState> {
  const response = await fetch(`${fakes.e2b}/__state`);
  return stateSchema.parse(await response.json());
}

/** The sandboxes that there are of a dispatch. */
export async function sandboxesOf(owner: TestOwner): Promise<FakeState["sandboxes"]> {
  const { sandboxes } = await fakeState();
  const { resource_id } = owner.dispatch;
  return sandboxes.filter(({ metadata: { pipelzr_attempt, pipelzr_lease } }) =>
    (pipelzr_attempt ?? pipelzr_lease)?.startsWith(resource_id),
  );
}

export async function setFaults(faults: object): Promise<void> {
  const response = await fetch(`${fakes.e2b}/__faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(faults),
  });
  expect(response.status, await response.text()).toBe(200);
}

export async function clearFaults(): Promise<void> {
  await (await fetch(`${fakes.e2b}/__faults`, { method: "DELETE" })).text();
}

export async function loseSandboxes(owner: TestOwner): Promise<void> {
  const lost = (await sandboxesOf(owner)).map(({ id }) => id);
  await setFaults({ lose_sandboxes: lost });
}

/** What the object of a dispatch has stored of it; null when it holds nothing. */
export function stateOf(owner: TestOwner): Promise<AttemptState | null> {
  const object = env.REMOTE_ATTEMPT.getByName(dispatchKey(owner.dispatch));
  return runInDurableObject(object, (_, { storage }) => new AttemptStore(storage).state());
}

/** For a shell: waits until the test lets it go on. */
export const WAIT_AT_GATE = "until [ -e ~/gate ]; do sleep 0.02; done";

const openGates = new Set<string>();

/** Opens the gates of a dispatch's sandboxes; one that was opened may be ending, and is left alone. */
export async function openGate(owner: TestOwner): Promise<void> {
  for (const { id } of await sandboxesOf(owner)) {
    if (openGates.has(id)) continue;
    openGates.add(id);
    const sandbox = await service.connect(id, 60_000);
    await sandbox?.write([{ path: "~/gate", body: "open" }]);
  }
}

/** Limits that never stand in the way. */
export const unlimited: SandboxLimits = {
  capacity: 1_000,
  acquire: async () => 0,
  release: async () => undefined,
  takeToken: async () => null,
};

const owners = new Map<string, RemoteOwner>();
const portsOf = new Map<string, Partial<RemotePorts>>();
const contexts = new Map<string, DurableObjectState>();

/** Of the object that was made last for a dispatch. */
export const contextOf = ({ dispatch }: TestOwner) => contexts.get(dispatch.resource_id);

const store = (blobs: ContractDeps["blobs"]): ContractDeps["blobs"] => ({
  async get(key) {
    const object = await blobs.get(key);
    if (object === null) return null;
    const bytes = await object.arrayBuffer();
    return {
      text: async () => new TextDecoder().decode(bytes),
      arrayBuffer: async () => bytes,
      body: new Response(bytes).body,
    };
  },
});

/** Has the objects of the lane find a dispatch's owner, and what else is given. */
export function register(owner: TestOwner, ports: Partial<RemotePorts> = {}): TestOwner {
  owners.set(owner.dispatch.resource_id, owner);
  portsOf.set(owner.dispatch.resource_id, ports);
  return owner;
}

/** The owners of several steps of one run. */
export function registerRun(steps: readonly TestOwner[], ports: Partial<RemotePorts> = {}): void {
  const [first] = steps;
  const of = ({ step }: DetachedRef): TestOwner => {
    const owner = steps.find(({ dispatch }) => dispatch.step === step);
    if (owner === undefined) throw new Error(`There is no step ${step}.`);
    return owner;
  };
  if (first === undefined) return;
  owners.set(first.dispatch.resource_id, {
    claimAttempt: async (ref, by, type) => of(ref).claimAttempt(ref, by, type),
    reportAttempt: async (ref, reports) => of(ref).reportAttempt(ref, reports),
    artifactPlace: async (ref, path) => of(ref).artifactPlace(ref, path),
    attemptUnavailable: async (ref) => of(ref).attemptUnavailable(ref),
  });
  portsOf.set(first.dispatch.resource_id, ports);
}

/** The ports that a contract's dependencies come to. */
export function contractPorts({ secrets, blobs }: ContractDeps): Partial<RemotePorts> {
  return {
    secrets,
    blobs: { get: store(blobs).get, put: (...args) => env.BLOBS.put(...args) },
  };
}

/** Puts the fake in the place of E2B for every object that is made from now on. */
export function installFake(): void {
  vi.spyOn(remoteWiring, "of").mockImplementation((_, context) => {
    const id = context?.id.name?.split("/")[0] ?? "";
    if (context !== null) contexts.set(id, context);
    return {
      service,
      unavailable: null,
      owner: () => {
        const owner = owners.get(id);
        if (owner === undefined) throw new Error(`There is no owner of ${id}.`);
        return owner;
      },
      secrets: { resolve: async () => new Map() },
      blobs: env.BLOBS,
      limits: unlimited,
      default_template: "base",
      deployment: "tests",
      usd_per_hour: 0.1089,
      spent: () => undefined,
      bill: async () => undefined,
      bury: async () => undefined,
      lease: (key) => env.SANDBOX_LEASE.getByName(key),
      shared_idle_ms: 60_000,
      ...portsOf.get(id),
    };
  });
}

const WORK: Work = {
  task_type: "e2b",
  command: null,
  script: null,
  language: "bash",
  inputs: null,
  environment: {},
  secrets: [],
  files: { kind: "inline", entries: {} },
  mounts: [],
  working_directory: null,
  network: { allow: [] },
  artifacts: [],
  isolation: "shared",
  outputs: null,
  image: null,
  template: null,
};

const requestOf = (work: Partial<Work>, timeoutMs: number): AttemptRequest => ({
  ref: { resource_id: "task", run: 1, step: "main", attempt: 1, epoch: 1 },
  project_id: "p",
  work: { ...WORK, ...work },
  deadline_at: Date.now() + timeoutMs,
  timeout_ms: timeoutMs,
});
const TIMEOUT_MS = 60_000;

/** An owner of a new dispatch, registered and not offered. */
export function attempt(
  work: Partial<Work>,
  ports: Partial<RemotePorts> = {},
  timeoutMs = TIMEOUT_MS,
  patient = true,
): TestOwner {
  const owner = new TestOwner("e2b", requestOf(work, timeoutMs), () => undefined, { patient });
  return register(owner, ports);
}

/** As `attempt`, of one that another executor may have. */
export const movable = (work: Partial<Work>, ports: Partial<RemotePorts> = {}): TestOwner =>
  attempt(work, ports, TIMEOUT_MS, false);

/** Owners of the steps of one run that share a sandbox, registered and not offered. */
export function sharing(
  works: readonly Partial<Work>[],
  ports: Partial<RemotePorts> = {},
): TestOwner[] {
  const resource_id = crypto.randomUUID();
  const steps = works.map((work, step) => {
    const request = requestOf({ ...work, sandbox: { reuse: "run" } }, TIMEOUT_MS);
    return new TestOwner("e2b", request, () => undefined, { resource_id, step });
  });
  registerRun(steps, ports);
  return steps;
}

/** Expects that the object of a dispatch has neither a table nor an alarm. */
export async function expectNoStorage(owner: TestOwner): Promise<void> {
  const object = env.REMOTE_ATTEMPT.getByName(dispatchKey(owner.dispatch));
  const stored = await runInDurableObject(object, async (_, { storage }) => ({
    tables: storage.sql
      .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'")
      .toArray(),
    alarm: await storage.getAlarm(),
  }));
  expect(stored).toEqual({ tables: [], alarm: null });
}

/** Expects that nothing of a dispatch is left: neither sandbox nor storage of its object. */
export async function expectNothingLeft(owner: TestOwner): Promise<void> {
  await expect.poll(() => sandboxesOf(owner), { timeout: 15_000 }).toEqual([]);
  await expect
    .poll(async () => (await backend.stop(owner.dispatch, "cancel")).status, { timeout: 15_000 })
    .toBe("unknown");
  await expectNoStorage(owner);
}

export async function makeRecorder(): Promise<Recorder> {
  const path = `/${crypto.randomUUID()}`;
  return {
    allow: ["127.0.0.1"],
    url: fakes.recorder + path,
    count: async () => Number(await (await fetch(`${fakes.recorder}/count${path}`)).text()),
  };
}
