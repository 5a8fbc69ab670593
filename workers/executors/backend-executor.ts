/**
 * For tests: a coordinator's side of dispatches, and an `Executor` made of it and of any backend, so
 * that what lives outside passes the same contract as what runs inside.
 */
import type {
  AttemptBackend,
  AttemptOwner,
  Claim,
  DetachedRef,
  DetachedReport,
  DetachedType,
  Dispatch,
  DispatchOwner,
  OutputEntry,
  ReportAnswer,
  Usage,
} from "./detached.ts";
import { failed } from "./outcome.ts";
import type { AttemptRequest, AttemptSink, Executor, Outcome } from "./port.ts";

/** The owner of one dispatch, which holds its backend to the rules of reports. */
export class TestOwner implements AttemptOwner, Pick<DispatchOwner, "attemptUnavailable"> {
  readonly dispatch: Dispatch;
  readonly request: AttemptRequest;
  readonly entries: OutputEntry[] = [];
  readonly artifacts = new Map<string, { readonly bytes: number; readonly sha256: string }>();
  /** Types of the reports that came, in their order, `output` left out. */
  readonly reports: string[] = [];
  outcome: Outcome | null = null;
  isLost = false;
  /** It was lost together with its code. */
  isCodeDead = false;
  /** What the end, or the loss, was told to have used. */
  usage: Usage | null = null;
  /** The newest epoch; above the dispatch's, everything is fenced. */
  epoch: number;
  timeout_ms: number;
  claims = 0;
  /** It was told that nothing can run it, and has another executor tried. */
  isUnavailable = false;
  /** What was told to have been used after its end. */
  spent: Usage | null = null;
  /** It is being stopped: what has not been claimed will not be, while reports still count. */
  isStopping = false;
  #claimedBy: string | null = null;
  /** Calls fail while it is set. */
  isDown = false;
  /** Called before each report is answered. */
  onReport: (reports: readonly DetachedReport[]) => Promise<void> | void = () => undefined;
  readonly #onOutput: (entry: OutputEntry) => void;
  readonly #watchers = new Set<() => void>();

  constructor(
    type: DetachedType,
    request: AttemptRequest,
    onOutput: (entry: OutputEntry) => void = () => undefined,
    place: Partial<Pick<Dispatch, "resource_id" | "step" | "patient">> = {},
  ) {
    this.request = request;
    this.timeout_ms = Math.max(1, request.deadline_at - Date.now());
    this.#onOutput = onOutput;
    this.epoch = 1;
    this.dispatch = {
      version: 1,
      resource_id: crypto.randomUUID(),
      run: 1,
      step: 0,
      epoch: 1,
      project_id: request.project_id,
      placement: "own",
      patient: true,
      claimed_by: null,
      expires_at: Date.now() + 30_000,
      task_type: type,
      ...place,
    };
  }

  get isOver(): boolean {
    return this.outcome !== null || this.isLost;
  }

  text(stream?: "stdout" | "stderr"): string {
    return this.entries
      .filter(([name]) => stream === undefined || name === stream)
      .map(([, text]) => text)
      .join("");
  }

  /** Resolves once it holds, which is looked at with every report. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!holds()) return;
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  /** A newer dispatch was made, or the attempt is over. */
  fence(): void {
    this.epoch += 1;
  }

  #isFenced({ epoch }: DetachedRef): boolean {
    return epoch !== this.epoch;
  }

  #pass(): void {
    if (this.isDown) throw new Error("The owner is down.");
  }

  async claimAttempt(ref: DetachedRef, by: string, type: DetachedType): Promise<Claim> {
    this.#pass();
    this.claims += 1;
    const isTaken = (this.#claimedBy ?? by) !== by || type !== this.dispatch.task_type;
    if (this.#isFenced(ref) || this.isOver || this.isStopping || isTaken) {
      return { status: "fenced", epoch: this.epoch };
    }
    this.#claimedBy = by;
    const { request, timeout_ms } = this;
    return { status: "wanted", request, timeout_ms, runs_on: [], priority: 0 };
  }

  async reportAttempt(ref: DetachedRef, reports: readonly DetachedReport[]): Promise<ReportAnswer> {
    this.#pass();
    if (this.#isFenced(ref)) {
      for (const report of reports) if (report.type === "spent") this.spent = report.usage;
      return { status: "fenced", epoch: this.epoch };
    }
    for (const report of reports) this.#take(report);
    for (const check of this.#watchers) check();
    await this.onReport(reports);
    return { status: "accepted", output: this.entries.length };
  }

  #take(report: DetachedReport): void {
    if (report.type !== "output") this.reports.push(report.type);
    switch (report.type) {
      case "output":
        if (report.from > this.entries.length) throw new Error("A report leaves a gap.");
        for (const entry of report.entries.slice(this.entries.length - report.from)) {
          this.entries.push(entry);
          this.#onOutput(entry);
        }
        break;
      case "artifact":
        this.artifacts.set(report.path, { bytes: report.bytes, sha256: report.sha256 });
        break;
      case "ended":
        this.outcome ??= report.outcome;
        this.usage ??= report.usage ?? null;
        break;
      case "lost":
        this.isLost = true;
        this.isCodeDead = report.is_code_dead === true;
        this.usage ??= report.usage ?? null;
        break;
      default:
    }
  }

  async attemptUnavailable(ref: DetachedRef): Promise<void> {
    this.#pass();
    if (this.#isFenced(ref)) return;
    this.isUnavailable = true;
    this.fence();
  }

  keyOf(path: string): string {
    return `attempts/${this.dispatch.resource_id}/${path}`;
  }

  async artifactPlace(ref: DetachedRef, path: string) {
    this.#pass();
    if (this.#isFenced(ref)) return { status: "fenced", epoch: this.epoch } as const;
    return { status: "wanted", key: this.keyOf(path) } as const;
  }
}

export interface BackendUnderTest {
  readonly type: DetachedType;
  readonly backend: AttemptBackend;
  /** Where artifacts are put. */
  readonly blobs: R2Bucket;
  /** Makes the backend find the owner of a dispatch. */
  register(owner: TestOwner): void;
}

/** Offers again what a reset of the backend cut off, as the queue does. */
export async function offerUntilTaken(backend: AttemptBackend, dispatch: Dispatch): Promise<void> {
  for (;;) {
    const answer = await backend.offer(dispatch).catch(() => null);
    if (answer?.status === "taken") return;
    if (answer?.status === "unavailable") throw new Error(answer.reason);
    await scheduler.wait(20);
  }
}

async function deliverArtifacts(owner: TestOwner, sink: AttemptSink, blobs: R2Bucket) {
  for (const [path, { bytes, sha256 }] of owner.artifacts) {
    const object = await blobs.get(owner.keyOf(path));
    if (object === null) throw new Error(`The artifact ${path} is not where it belongs.`);
    if (object.customMetadata?.sha256 !== sha256) throw new Error(`${path} lacks its hash.`);
    const body = new Uint8Array(await object.arrayBuffer());
    if (body.byteLength !== bytes) throw new Error(`${path} has not the size that was told.`);
    await sink.artifact(path, body);
  }
}

export function backendExecutor({ type, backend, blobs, register }: BackendUnderTest): Executor {
  return {
    type,
    async run(request, sink, signal) {
      const owner = new TestOwner(type, request, ([stream, text]) => sink.log(stream, text));
      register(owner);
      let isCancelled = false;
      const stop = async () => {
        const reason = signal.reason === "timeout" ? "timeout" : "cancel";
        owner.isStopping = true;
        const { status } = await backend.stop(owner.dispatch, reason);
        // Whoever claims it now is told that it was stopped.
        if (status === "unknown") {
          isCancelled = true;
          owner.fence();
        }
      };
      let stopping = Promise.resolve();
      const onAbort = () => {
        stopping = stop();
      };
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      await offerUntilTaken(backend, owner.dispatch);
      await stopping;
      if (isCancelled) return { status: "cancelled" };
      await owner.until(() => owner.isOver);
      await deliverArtifacts(owner, sink, blobs);
      if (owner.outcome !== null) return owner.outcome;
      return failed("lost", "lost", "The backend lost the attempt.");
    },
  };
}
