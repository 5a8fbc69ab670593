/** Carries out the commands of an attempt's state machine, and says what came of each. */
import { type DetachedReport, dispatchKey } from "../detached.ts";
import { type ResolvedEnvironment, resolveEnvironment } from "../environment.ts";
import { workingDirectory } from "../file-set.ts";
import { messageOf } from "../message.ts";
import { stopped } from "../outcome.ts";
import type { AttemptRequest, Outcome } from "../port.ts";
import { keepArtifacts, NotWanted } from "./artifacts.ts";
import { SANDBOX_BACKEND } from "./backend.ts";
import {
  type Command,
  type Event,
  isEndDue,
  SLOT_LEASE_MS,
  STOP_LIMIT_MS,
  ttlOf,
} from "./drive.ts";
import { Ending } from "./ending.ts";
import { finalFailure, KEY_REFUSED, wornOut } from "./failures.ts";
import { dispatchLabels, sandboxLabels } from "./labels.ts";
import { OutputLog } from "./output-log.ts";
import type { RemoteOwner, RemotePorts } from "./ports.ts";
import { isMaking } from "./reach.ts";
import { RemoteProgram } from "./remote.ts";
import { outcomeOf } from "./results.ts";
import {
  CreateRefused,
  CreateRejected,
  type ListedSandbox,
  type Sandbox,
  type SandboxService,
  SandboxUnreachable,
} from "./sandbox.ts";
import { attemptFolder, workspaceFolder } from "./script.ts";
import { SharedSandbox } from "./shared.ts";
import { type AttemptState, mayRun } from "./state.ts";
import type { AttemptStore, Change } from "./store.ts";
import { prepareSandbox, programOf } from "./workload.ts";

/** An observation, and what is committed together with it. */
export interface Step {
  readonly event: Event;
  readonly change?: Change;
}

/** Characters of output in one report. */
const REPORT_CHARS = 256 * 1024;
/** For code that is asked to end, before it is killed. */
const GRACE_MS = 800;
/** What a stream still carries after its code has been stopped. */
const FOLLOW_REST_MS = 300;
const CLEAR_LIMIT_MS = 5_000;
/** Failures after which a shared sandbox is taken for broken, since code may go on in it. */
const MAX_CLEAR_FAILURES = 2;
/** Failures after which what is not the sandbox's fault ends the attempt. */
const MAX_FAILURES = 8;

/** The sandbox is not there any more. */
class SandboxGone extends Error {}

export class AttemptSession {
  readonly #ports: RemotePorts;
  readonly #store: AttemptStore;
  readonly #request: AttemptRequest;
  /** Null when the attempt has a sandbox of its own. */
  readonly #shared: SharedSandbox | null;
  readonly #ending: Ending;
  /** Called when there is something new for the owner. */
  readonly #onUnreported: () => void;
  #sandbox: Promise<Sandbox> | null = null;
  #environment: Promise<ResolvedEnvironment> | null = null;
  #log: Promise<OutputLog> | null = null;
  #openLog: OutputLog | null = null;
  #isStopped = false;
  /** The next report tells the owner that the dispatch is known. */
  isAsked = false;
  #following: { readonly abort: AbortController; readonly ended: Promise<unknown> } | null = null;

  constructor(
    ports: RemotePorts,
    store: AttemptStore,
    request: AttemptRequest,
    onUnreported: () => void,
  ) {
    this.#onUnreported = onUnreported;
    this.#ports = ports;
    this.#store = store;
    this.#request = request;
    const isShared = request.work.sandbox?.reuse === "run";
    this.#shared = isShared ? new SharedSandbox(ports, request) : null;
    this.#ending = new Ending(ports, store, this.#shared);
  }

  /** Never rejects. `signal` says that the result is not waited for any more. */
  async perform(
    { lane, do: what }: Command,
    state: AttemptState,
    signal: AbortSignal,
  ): Promise<Step> {
    try {
      return await this[what](state, signal);
    } catch (error) {
      if (error instanceof NotWanted) return { event: { type: "fenced" } };
      if (error instanceof SandboxGone) return this.#gone(state);
      const isWorn =
        !(error instanceof SandboxUnreachable) && state.lanes[lane].failures >= MAX_FAILURES;
      const outcome = lane === "owner" ? null : this.#finally(error, state);
      if (outcome !== null) return outcome;
      if (lane === "sandbox" && isWorn && what !== "kill") return this.#settled(wornOut(error));
      return { event: { type: "failed", lane, why: messageOf(error) } };
    }
  }

  /** How an error ends the attempt; null when it is worth trying again. */
  #finally(error: unknown, state: AttemptState, isUnmade = false): Step | null {
    const outcome = state.phase === "ending" ? null : finalFailure(error);
    if (outcome?.status !== "failed") return null;
    if (outcome.code === KEY_REFUSED) {
      // Code that runs may outlive a key that is replaced meanwhile.
      if (mayRun(state)) return null;
      const isElsewhere = isMaking(state) && !state.dispatch.patient;
      if (isElsewhere) return { event: { type: "unusable", why: outcome.message } };
    }
    const { event, ...step } = this.#settled(outcome);
    return isUnmade ? { event: { type: "settled", is_unmade: true }, ...step } : { event, ...step };
  }

  async #gone(state: AttemptState): Promise<Step> {
    this.#sandbox = null;
    if (state.sandbox_id !== null) {
      // Whoever joins it next finds it gone as well, and says so.
      await this.#shared?.gone(state, state.sandbox_id).catch(() => undefined);
    }
    return { event: { type: "sandbox_gone" } };
  }

  /** Says that code which has not started is not to. */
  stopAsked(): void {
    this.#isStopped = true;
  }

  /** Stops what goes on without end, since nobody wants it. */
  close(): void {
    this.#openLog?.close();
    this.#following?.abort.abort("closed");
  }

  get #service(): SandboxService {
    const { service, unavailable } = this.#ports;
    if (service === null) throw new SandboxUnreachable(unavailable ?? "There are no sandboxes");
    return service;
  }

  #owner({ dispatch }: AttemptState): RemoteOwner {
    return this.#ports.owner(dispatch.placement, dispatch.resource_id);
  }

  #holder({ dispatch }: AttemptState): string {
    return dispatchKey(dispatch);
  }

  async take_slot(state: AttemptState): Promise<Step> {
    const spread = Math.random();
    if (this.#shared !== null) {
      const answer = await this.#shared.join(state);
      if (answer.status === "ready") return { event: { type: "slot", position: 0, spread } };
      if (answer.status === "waiting") return { event: { type: "joining", ...answer, spread } };
      if (answer.status === "gone") return this.#gone(state);
      throw new CreateRejected(answer.code, answer.message);
    }
    const position = await this.#ports.limits.acquire(
      this.#holder(state),
      state.priority,
      SLOT_LEASE_MS,
    );
    return { event: { type: "slot", position, spread } };
  }

  async take_token(): Promise<Step> {
    const retryAt = this.#shared ? null : await this.#ports.limits.takeToken();
    return retryAt === null
      ? { event: { type: "token_taken" } }
      : { event: { type: "token_refused", retry_at: retryAt } };
  }

  async release_slot(state: AttemptState): Promise<Step> {
    if (this.#shared !== null) await this.#shared.leave(state);
    else await this.#ports.limits.release(this.#holder(state));
    return { event: { type: "slot_released" } };
  }

  async create(state: AttemptState): Promise<Step> {
    const { work } = this.#request;
    // What is asked for after the end, after a reset say, is not wanted.
    if (state.phase === "ending") return { event: { type: "create_refused", why: "not wanted" } };
    try {
      programOf(work);
      const sandbox = this.#shared
        ? await this.#joined(this.#shared, state)
        : await this.#service.create({
            template: work.template ?? this.#ports.default_template,
            labels: sandboxLabels(state.dispatch, this.#ports.deployment),
            ttl_ms: ttlOf(state, Date.now()),
            allow: work.network.allow,
          });
      this.#sandbox = Promise.resolve(sandbox);
      return { event: { type: "created", id: sandbox.id } };
    } catch (error) {
      const why = messageOf(error);
      if (error instanceof CreateRefused) {
        return { event: { type: "create_refused", why, isDown: error.isDown } };
      }
      const end = this.#finally(error, state, true);
      if (end !== null) return end;
      // Joining again changes nothing, unlike creating again.
      if (this.#shared) return { event: { type: "create_refused", why, isDown: true } };
      return { event: { type: "create_unclear", why } };
    }
  }

  async #joined(shared: SharedSandbox, state: AttemptState): Promise<Sandbox> {
    const answer = await shared.join(state);
    if (answer.status === "refused") throw new CreateRejected(answer.code, answer.message);
    if (answer.status !== "ready") throw new CreateRefused("the shared sandbox was lost");
    const { sandbox_id: id } = answer;
    const sandbox = await this.#service.connect(id, ttlOf(state, Date.now()));
    if (sandbox !== null) return sandbox;
    await shared.gone(state, id);
    throw new CreateRefused("the shared sandbox was lost");
  }

  /** Looks for what an unclear create may have made; of several one is kept. */
  async find(state: AttemptState): Promise<Step> {
    if (this.#shared) return { event: { type: "create_refused", why: "it joins again" } };
    const [kept, ...strays] = await this.#listed(state);
    const stray_ms = await this.#killAll(strays);
    return { event: { type: "found", id: kept?.id ?? null, stray_ms } };
  }

  async #listed({ dispatch }: AttemptState): Promise<ListedSandbox[]> {
    const found: ListedSandbox[] = [];
    const labels = dispatchLabels(dispatch, this.#ports.deployment);
    for await (const page of this.#service.list(labels)) found.push(...page);
    return found;
  }

  /** Resolves with how long they lived together. */
  async #killAll(sandboxes: readonly ListedSandbox[]): Promise<number> {
    await Promise.all(sandboxes.map(({ id }) => this.#service.kill(id)));
    const now = Date.now();
    return sandboxes.reduce((sum, { started_at }) => sum + Math.max(0, now - started_at), 0);
  }

  /** Says what a stop comes to that came before the code started. */
  async give_up(state: AttemptState): Promise<Step> {
    return this.#collectStopped(state);
  }

  async prepare(state: AttemptState): Promise<Step> {
    const { variables } = await this.#resolved();
    const folder = attemptFolder(state.dispatch);
    const preparation = {
      request: this.#request,
      variables,
      timeout_ms: state.timeout_ms,
      folder,
      workspace: workspaceFolder(folder, state.is_shared),
    };
    await prepareSandbox(await this.#opened(state), preparation, this.#ports.blobs);
    return { event: { type: "prepared" } };
  }

  async #program(state: AttemptState): Promise<RemoteProgram> {
    const folder = attemptFolder(state.dispatch);
    const workspace = workspaceFolder(folder, state.is_shared);
    return new RemoteProgram(await this.#opened(state), folder, workspace);
  }

  follow(state: AttemptState): Promise<Step> {
    const abort = new AbortController();
    const ended = this.#follow(state, abort.signal);
    // From its beginning on, so that nobody else takes output meanwhile.
    const following = { abort, ended: ended.catch(() => undefined) };
    this.#following = following;
    void following.ended.then(() => {
      if (this.#following === following) this.#following = null;
    });
    return ended;
  }

  async #follow(state: AttemptState, signal: AbortSignal): Promise<Step> {
    const program = await this.#program(state);
    const log = await this.#logOf(program);
    const before = log.read.stdout + log.read.stderr;
    // Opening the log may have taken until after a stop, which the claim in the sandbox settles.
    const mode = state.stop === null && !this.#isStopped ? "attach" : "watch";
    try {
      await program.follow(mode, log, signal);
      return { event: { type: "code_ended" } };
    } catch (error) {
      if (!(error instanceof SandboxUnreachable)) throw error;
      const progressed = log.read.stdout + log.read.stderr > before;
      return { event: { type: "failed", lane: "link", why: error.message, progressed } };
    }
  }

  async stop_code(state: AttemptState, signal: AbortSignal): Promise<Step> {
    const program = await this.#program(state);
    const left = (state.stop?.at ?? 0) + STOP_LIMIT_MS - Date.now();
    const bound = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, left))]);
    await program.stop(GRACE_MS, bound);
    return { event: { type: "code_stopped" } };
  }

  async probe(state: AttemptState): Promise<Step> {
    const { sandbox_id: id } = state;
    const isThere = id !== null && (await this.#service.exists(id));
    return isThere ? { event: { type: "sandbox_there" } } : this.#gone(state);
  }

  async extend(state: AttemptState): Promise<Step> {
    const { sandbox_id: id } = state;
    const ttlMs = ttlOf(state, Date.now());
    // A connect never shortens the time that others in it need.
    if (id !== null && this.#shared) await this.#service.connect(id, ttlMs);
    else if (id !== null) await this.#service.extend(id, ttlMs);
    return { event: { type: "extended" } };
  }

  async kill(state: AttemptState): Promise<Step> {
    const { sandbox_id: id } = state;
    if (this.#shared !== null) {
      if (id !== null) await this.#clear(this.#shared, state, id);
      return { event: { type: "killed", stray_ms: 0 } };
    }
    if (id !== null) await this.#service.kill(id);
    const strays = state.has_strays ? await this.#listed(state) : [];
    const stray_ms = await this.#killAll(strays.filter((stray) => stray.id !== id));
    return { event: { type: "killed", stray_ms } };
  }

  /** Ends what the attempt has in a shared sandbox; one in which that cannot be done is killed. */
  async #clear(shared: SharedSandbox, state: AttemptState, id: string): Promise<void> {
    try {
      const program = await this.#program(state);
      await program.clear(AbortSignal.timeout(CLEAR_LIMIT_MS));
    } catch (error) {
      if (error instanceof SandboxGone) return;
      if (state.lanes.sandbox.failures < MAX_CLEAR_FAILURES) throw error;
      await this.#service.kill(id);
      await shared.gone(state, id);
    }
  }

  /** Takes the rest of the output and says what the code came to. */
  async collect(state: AttemptState, signal: AbortSignal): Promise<Step> {
    if (state.stop !== null) return this.#collectStopped(state);
    const { work } = this.#request;
    const program = await this.#program(state);
    const log = await this.#logOf(program);
    const { status, files } = await program.status(work.artifacts.length > 0, signal);
    await program.drain(log, status, signal);
    await keepArtifacts(
      {
        program,
        log,
        owner: this.#owner(state),
        ref: state.dispatch,
        blobs: this.#ports.blobs,
        directory: workingDirectory(work.working_directory),
        globs: work.artifacts,
        tree: work.tree ?? null,
        kept: new Set(this.#store.artifacts("all").map(({ path }) => path)),
        signal,
        remember: (artifact) => {
          if (!signal.aborted) this.#store.commit({ artifact });
          this.#onUnreported();
        },
      },
      files,
    );
    const isModule = programOf(work).language === "node";
    const outcome = await outcomeOf(program, isModule, status, log.stderrTail, signal);
    return signal.aborted ? { event: { type: "woke" } } : this.#settled(outcome);
  }

  async #collectStopped(state: AttemptState): Promise<Step> {
    if (mayRun(state) && !state.is_killed) await this.#takeRest(state).catch(() => undefined);
    this.#following?.abort.abort("stopped");
    return this.#settled(stopped(AbortSignal.abort(state.stop?.reason), state));
  }

  /** What code wrote before it was stopped, as far as it is to be had at once. */
  async #takeRest(state: AttemptState): Promise<void> {
    const following = this.#following;
    if (following) {
      const rest = scheduler.wait(FOLLOW_REST_MS).then(() => following.abort.abort("stopped"));
      await Promise.race([following.ended, rest]);
      await following.ended;
    }
    const program = await this.#program(state);
    const { status } = await program.status(false);
    await program.drain(await this.#logOf(program), status);
  }

  async report(state: AttemptState): Promise<Step> {
    if (state.verdict === "unavailable") {
      await this.#owner(state).attemptUnavailable(state.dispatch, "e2b", SANDBOX_BACKEND);
      return { event: { type: "reported", started: false, ended: true } };
    }
    const { from, entries, isAll } = this.#store.entries(REPORT_CHARS);
    const artifacts = this.#store.artifacts("unreported");
    const started = state.started_at !== null && !state.is_start_reported;
    const reports: DetachedReport[] = started ? [{ type: "started" }] : [];
    if (this.isAsked) reports.push({ type: "alive" });
    this.isAsked = false;
    if (entries.length > 0) reports.push({ type: "output", from, entries });
    for (const { path, bytes, sha256 } of artifacts) {
      reports.push({ type: "artifact", path, bytes, sha256 });
    }
    const ended = isAll && isEndDue(state);
    if (ended) reports.push(await this.#ending.report(state));
    const answer = await this.#owner(state).reportAttempt(state.dispatch, reports);
    if (answer.status === "fenced") return { event: { type: "fenced" } };
    const taken = { entries: answer.output, artifacts: artifacts.at(-1)?.number ?? 0 };
    return { event: { type: "reported", started, ended }, change: { taken } };
  }

  /** Lets output go on that waited for the owner. */
  outputTaken(): void {
    this.#openLog?.taken();
  }

  /** Says what a sandbox came to cost of a dispatch that its owner wanted no more by then. */
  async tell_spent(state: AttemptState): Promise<Step> {
    const usage = await this.#ending.usage(state);
    await this.#owner(state).reportAttempt(state.dispatch, [{ type: "spent", usage }]);
    return { event: { type: "spent_told" } };
  }

  #settled(outcome: Outcome): Step {
    const log = this.#openLog ?? new OutputLog(this.#store, [], this.#onUnreported);
    return {
      event: { type: "settled" },
      change: log.settle(outcome, this.#request.work.outputs),
    };
  }

  /** Once in the life of the object, unless it fails. */
  #resolved(): Promise<ResolvedEnvironment> {
    const { work, project_id } = this.#request;
    const environment =
      this.#environment ?? resolveEnvironment(work, project_id, this.#ports.secrets);
    this.#environment = environment;
    environment.catch(() => {
      this.#environment = null;
    });
    return environment;
  }

  #opened(state: AttemptState): Promise<Sandbox> {
    const sandbox = this.#sandbox ?? this.#connect(state);
    this.#sandbox = sandbox;
    sandbox.catch(() => {
      this.#sandbox = null;
    });
    return sandbox;
  }

  async #connect(state: AttemptState): Promise<Sandbox> {
    const { sandbox_id: id } = state;
    const ttl = ttlOf(state, Date.now());
    const sandbox = id === null ? null : await this.#service.connect(id, ttl);
    if (sandbox === null) throw new SandboxGone();
    return sandbox;
  }

  #logOf(program: RemoteProgram): Promise<OutputLog> {
    const log = this.#log ?? this.#open(program);
    this.#log = log;
    log.catch(() => {
      this.#log = null;
    });
    return log;
  }

  async #open(program: RemoteProgram): Promise<OutputLog> {
    const { secretValues } = await this.#resolved();
    const log = new OutputLog(this.#store, secretValues, this.#onUnreported);
    await program.replay(log);
    this.#openLog = log;
    return log;
  }
}
