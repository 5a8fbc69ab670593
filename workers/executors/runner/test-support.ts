/** For tests of the pool: an owner of attempts, and runners that say what a test tells them to. */
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { poolPorts } from "../../runner-pool.ts";
import {
  type AttemptOwner,
  attemptKey,
  type Claim,
  type DetachedRef,
  type DetachedReport,
  type DetachedType,
  type Dispatch,
  type DispatchOwner,
  type Fenced,
  type OutputEntry,
  type ReportAnswer,
} from "../detached.ts";
import type { Work } from "../port.ts";
import { type FromRunner, PROTOCOL_VERSION, type ToRunner, toRunnerSchema } from "./protocol.ts";
import { writeSignature } from "./signature.ts";

export const WORK: Work = {
  task_type: "subprocess",
  command: "true",
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

interface Step {
  /** The newest epoch. */
  epoch: number;
  /** The executor that the dispatch was last sent to. */
  type: DetachedType;
  claimed_by: string | null;
  /** It is being stopped: what has not been claimed will not be, while reports still count. */
  isStopping: boolean;
  isStarted: boolean;
  /** It has ended, or was lost. */
  isOver: boolean;
  readonly wanted: Partial<Extract<Claim, { status: "wanted" }>> & {
    readonly work?: Partial<Work>;
  };
  readonly output: OutputEntry[];
  readonly reports: DetachedReport[];
}

/** Coordinators of every resource, as a pool sees them. */
export class FakeOwner
  implements AttemptOwner, Pick<DispatchOwner, "attemptUnavailable" | "attemptReturned">
{
  /** Dispatches that a backend gave back, as they were told. */
  readonly returned: (readonly [attempt: string, type: DetachedType, by: string])[] = [];
  /** Dispatches that nothing connected to a backend can run, as they were told. */
  readonly unavailable: (readonly [attempt: string, type: DetachedType, by: string])[] = [];
  readonly steps = new Map<string, Step>();
  claims = 0;
  /** Every call fails while it is set. */
  isDown = false;
  /** Calls of this kind wait while it is set. */
  held: "claim" | "report" | null = null;
  /** Calls about its own dispatches that wait: pools of tests before this one may still ask. */
  waiting = 0;
  /** Calls that failed. */
  failures = 0;

  /** Takes the place of the coordinators until the test ends. */
  install(): this {
    vi.spyOn(poolPorts, "owner").mockImplementation(() => this);
    return this;
  }

  step(ref: Omit<DetachedRef, "epoch">): Step {
    const found = this.steps.get(attemptKey(ref));
    if (!found) throw new Error(`No step ${attemptKey(ref)}.`);
    return found;
  }

  /** A new dispatch of a new step. */
  dispatch(wanted: Step["wanted"] = {}, place: Partial<Dispatch> = {}): Dispatch {
    const dispatch: Dispatch = {
      version: 1,
      resource_id: crypto.randomUUID(),
      run: 1,
      step: 0,
      epoch: 1,
      project_id: "pool-tests",
      placement: "own",
      task_type: "subprocess",
      patient: true,
      claimed_by: null,
      expires_at: Date.now() + 30_000,
      ...place,
    };
    const { epoch, task_type: type, claimed_by } = dispatch;
    const fresh = { isStopping: false, isStarted: false, isOver: false, output: [], reports: [] };
    this.steps.set(attemptKey(dispatch), { ...fresh, epoch, type, claimed_by, wanted });
    return dispatch;
  }

  /** The coordinator dispatches the step again. */
  again(dispatch: Dispatch): Dispatch {
    const step = this.step(dispatch);
    step.epoch += 1;
    Object.assign(step, { claimed_by: null, isStopping: false, isStarted: false, isOver: false });
    return { ...dispatch, epoch: step.epoch };
  }

  /** The coordinator sends the dispatch to another of its executors. */
  elsewhere(dispatch: Dispatch, type: DetachedType): Dispatch {
    Object.assign(this.step(dispatch), { type, claimed_by: null });
    return { ...dispatch, task_type: type };
  }

  types(ref: DetachedRef): string[] {
    return this.step(ref).reports.map(({ type }) => type);
  }

  text(ref: DetachedRef): string {
    return this.step(ref)
      .output.map(([, text]) => text)
      .join("");
  }

  async claimAttempt(ref: DetachedRef, by: string, type: DetachedType): Promise<Claim> {
    await this.#pass("claim", ref);
    this.claims += 1;
    const step = this.steps.get(attemptKey(ref));
    if (step?.epoch !== ref.epoch || step.isOver || step.isStopping) return fencedBy(step);
    if (step.type !== type || (step.claimed_by ?? by) !== by) return fencedBy(step);
    step.claimed_by = by;
    const { work, ...wanted } = step.wanted;
    const { resource_id, run, epoch } = ref;
    return {
      status: "wanted",
      request: {
        ref: { resource_id, run, step: "step", attempt: 1, epoch },
        project_id: "pool-tests",
        work: { ...WORK, ...work },
        deadline_at: Date.now() + 60_000,
        timeout_ms: 60_000,
      },
      timeout_ms: 60_000,
      runs_on: [],
      priority: 0,
      ...wanted,
    };
  }

  async reportAttempt(ref: DetachedRef, reports: readonly DetachedReport[]): Promise<ReportAnswer> {
    await this.#pass("report", ref);
    const step = this.steps.get(attemptKey(ref));
    if (step?.epoch !== ref.epoch || step.isOver) return fencedBy(step);
    for (const report of reports) {
      step.reports.push(report);
      if (report.type === "started") step.isStarted = true;
      if (report.type === "ended" || report.type === "lost") step.isOver = true;
      if (report.type !== "output") continue;
      if (report.from > step.output.length) throw new Error("A gap was reported.");
      step.output.push(...report.entries.slice(step.output.length - report.from));
    }
    return { status: "accepted", output: step.output.length };
  }

  async artifactPlace(ref: DetachedRef, path: string) {
    await this.#pass("report", ref);
    const step = this.steps.get(attemptKey(ref));
    if (step?.epoch !== ref.epoch || step.isOver) return fencedBy(step);
    return { status: "wanted", key: `pool-tests/${attemptKey(ref)}/${path}` } as const;
  }

  async attemptUnavailable(ref: DetachedRef, type: DetachedType, by: string): Promise<void> {
    await this.#pass("report", ref);
    if (this.#isUnbegun(ref, type, by)) this.unavailable.push([attemptKey(ref), type, by]);
  }

  async attemptReturned(ref: DetachedRef, type: DetachedType, by: string): Promise<void> {
    await this.#pass("report", ref);
    if (!this.#isUnbegun(ref, type, by)) return;
    this.returned.push([attemptKey(ref), type, by]);
    this.step(ref).epoch += 1;
  }

  #isUnbegun(ref: DetachedRef, type: DetachedType, by: string): boolean {
    const step = this.steps.get(attemptKey(ref));
    if (step?.epoch !== ref.epoch || step.isStopping || step.isStarted) return false;
    return step.type === type && (step.claimed_by ?? by) === by;
  }

  async #pass(kind: "claim" | "report", ref: DetachedRef): Promise<void> {
    if (!this.steps.has(attemptKey(ref))) return;
    this.waiting += 1;
    // By looking again: what waits may be in another object's context than who lets it go on.
    while (this.held === kind) await scheduler.wait(2);
    this.waiting -= 1;
    if (!this.isDown) return;
    this.failures += 1;
    throw new Error("The owner was reset.");
  }
}

function fencedBy(step: Step | undefined): Fenced {
  return { status: "fenced", epoch: step?.epoch ?? 0 };
}

/** A pool that no other stands in for, as the shared one, unless it is named as a project's own. */
export function newPool(name = `test:${crypto.randomUUID()}`) {
  return env.RUNNER_POOL.getByName(name);
}

type Pool = ReturnType<typeof newPool>;
type Hello = Extract<FromRunner, { type: "hello" }>;

/** A signature that only the Worker in front of the pool would look at. */
export function unsignedHeaders(runnerId: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  return {
    upgrade: "websocket",
    authorization: writeSignature({ runner_id: runnerId, timestamp, nonce }, new Uint8Array(64)),
  };
}

/** A runner's WebSocket that keeps what it is told. */
export class ScriptedRunner {
  readonly socket: WebSocket;
  readonly frames: ToRunner[] = [];
  isClosed = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => {
      if (data !== "pong") this.frames.push(toRunnerSchema.parse(JSON.parse(String(data))));
    });
    socket.addEventListener("close", () => {
      this.isClosed = true;
    });
    socket.accept();
  }

  static of(response: Response): ScriptedRunner {
    if (!response.webSocket) throw new Error(`No WebSocket, but ${response.status}.`);
    return new ScriptedRunner(response.webSocket);
  }

  /** Connects straight to the pool, says hello and is welcomed. */
  static async join(
    pool: Pool,
    runnerId: string,
    hello: Partial<Hello> = {},
  ): Promise<ScriptedRunner> {
    const response = await pool.fetch("https://pool/", { headers: unsignedHeaders(runnerId) });
    const runner = ScriptedRunner.of(response);
    await runner.greet(hello);
    return runner;
  }

  async greet(hello: Partial<Hello> = {}): Promise<Extract<ToRunner, { type: "welcome" }>> {
    this.send(helloFrame(hello));
    return this.next("welcome");
  }

  send(...frames: readonly FromRunner[]): void {
    for (const frame of frames) this.socket.send(JSON.stringify(frame));
  }

  heartbeat(...running: readonly { attempt: string; epoch: number; output: number }[]): void {
    this.send({
      type: "heartbeat",
      running: [...running],
      task_types: ["subprocess"],
      unavailable: {},
      draining: false,
    });
  }

  all<Type extends ToRunner["type"]>(type: Type): Extract<ToRunner, { type: Type }>[] {
    return this.frames.filter(
      (frame): frame is Extract<ToRunner, { type: Type }> => frame.type === type,
    );
  }

  /** The frame of a type that comes after the first `skip` of them. */
  next<Type extends ToRunner["type"]>(
    type: Type,
    skip = 0,
  ): Promise<Extract<ToRunner, { type: Type }>> {
    return vi.waitFor(
      () => {
        const frame = this.all(type)[skip];
        if (frame === undefined) {
          throw new Error(`No ${type}, but ${JSON.stringify(this.frames)}`);
        }
        return frame;
      },
      { timeout: 8_000, interval: 5 },
    );
  }

  async assigned(dispatch: DetachedRef): Promise<{ attempt: string; epoch: number }> {
    const attempt = attemptKey(dispatch);
    const { epoch } = dispatch;
    await eventually(() => {
      const got = this.all("assign").some(
        (frame) => frame.attempt === attempt && frame.epoch === epoch,
      );
      expect(got, JSON.stringify(this.frames)).toBe(true);
    });
    return { attempt, epoch };
  }

  close(): void {
    this.socket.close(1000, "test");
  }
}

export function helloFrame(hello: Partial<Hello> = {}): Hello {
  return {
    type: "hello",
    protocol: PROTOCOL_VERSION,
    version: "test",
    boot_id: "boot-1",
    labels: [],
    task_types: ["subprocess"],
    unavailable: {},
    slots: 2,
    running: [],
    ...hello,
  };
}

export function entriesOf(...texts: readonly string[]): ["stdout", string][] {
  return texts.map((text) => ["stdout", text]);
}

export function completion(name: { attempt: string; epoch: number }, output = 0): FromRunner {
  const outcome = { status: "completed", exit_code: 0, result: null } as const;
  return { type: "complete", ...name, output, outcome };
}

export function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 8_000, interval: 5 });
}
