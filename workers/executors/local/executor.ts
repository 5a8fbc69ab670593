/**
 * Runs JavaScript and TypeScript modules, and shell scripts by just-bash, inside Dynamic Workers.
 * One `fetch` into the child is one attempt; aborting it stops the code.
 */
import { AttemptOutput } from "../attempt-output.ts";
import { type ResolvedEnvironment, resolveEnvironment, usesSecrets } from "../environment.ts";
import {
  checkTree,
  type FileSetStore,
  loadFiles,
  openTree,
  workingDirectory,
} from "../file-set.ts";
import { AttemptFailed, exitFailure, failed, failureOf, stopped } from "../outcome.ts";
import type {
  AttemptRef,
  AttemptRequest,
  AttemptSink,
  Executor,
  MountedTree,
  Outcome,
  SecretResolver,
  SkillGrant,
  Work,
} from "../port.ts";
import { Artifacts } from "./artifact-parts.ts";
import { childFailure } from "./child-failure.ts";
import {
  type ChildCode,
  type ChildProps,
  Children,
  type ChildrenDeps,
  type ChildScope,
  compileScript,
  compileShell,
} from "./children.ts";
import {
  type ChildRequest,
  FRAMES_HEADER,
  type LastFrame,
  MAX_HEADER_CHARS,
  MAX_LOCAL_TREE_BYTES,
  REQUEST_HEADER,
  TREE_HEADER,
} from "./frames.ts";
import { ProtocolError, readFrames, readHeader, type TakeFrame } from "./read-frames.ts";

export interface LocalExecutorDeps extends ChildrenDeps {
  readonly secrets: SecretResolver;
  readonly blobs: FileSetStore;
  /** What an attempt's code invokes skills through. */
  readonly skills: (props: SkillGatewayProps) => Fetcher;
}

/** The attempt that invokes, and what it may. */
export interface SkillGatewayProps {
  readonly project_id: string;
  readonly ref: AttemptRef;
  readonly grant: SkillGrant;
}

interface Prepared {
  readonly code: ChildCode;
  readonly scope: ChildScope;
  readonly egress: Fetcher | null;
  /** The ChildRequest as JSON. */
  readonly body: string;
  /** The archive that is sent with it. */
  readonly archive: ReadableStream<Uint8Array> | null;
  readonly props: ChildProps;
}

const CHILD_URL = "http://child/";
const NO_PROPS: ChildProps = { skills: null };

/** The code of a task; throws AttemptFailed when `local` cannot run it. */
function compile({ command, script, language }: Work): { code: ChildCode; shell: string | null } {
  if (command !== null) return { code: compileShell(), shell: command };
  if (script === null) {
    throw new AttemptFailed(
      "error",
      "work_empty",
      "The task has neither a command nor a script. Give it one of them.",
    );
  }
  if (language === "bash") return { code: compileShell(), shell: script };
  if (language === "python") {
    throw new AttemptFailed(
      "error",
      "language_unsupported",
      "The local executor does not run Python. Use task_type dagger, e2b or subprocess, or write the task in javascript, typescript or bash.",
    );
  }
  return { code: compileScript(script, language), shell: null };
}

const BEYOND_ASCII = /[^ -~]/g;

const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** The request that carries JSON text to a child: in a header while it fits, else as its body. */
function carrying(json: string): RequestInit {
  const header = json.length <= MAX_HEADER_CHARS ? json.replace(BEYOND_ASCII, escaped) : json;
  return header.length <= MAX_HEADER_CHARS
    ? { headers: { [REQUEST_HEADER]: header } }
    : { method: "POST", body: json };
}

/** The request that carries an archive behind the JSON text. */
function carryingTree(json: string, archive: ReadableStream<Uint8Array>): RequestInit {
  const head = new TextEncoder().encode(json);
  const { readable, writable } = new IdentityTransformStream();
  const send = async () => {
    const writer = writable.getWriter();
    await writer.write(head);
    writer.releaseLock();
    await archive.pipeTo(writable);
  };
  // A child that hangs up, and an archive that breaks off, fail the request itself.
  send().catch(() => undefined);
  return { method: "POST", headers: { [TREE_HEADER]: String(head.byteLength) }, body: readable };
}

/** Throws AttemptFailed for what does not fit into a child. */
async function openSmallTree(
  tree: MountedTree,
  store: FileSetStore,
): Promise<ReadableStream<Uint8Array>> {
  const MEBIBYTE = 1024 * 1024;
  if (tree.bytes <= MAX_LOCAL_TREE_BYTES) return openTree(tree, store);
  throw new AttemptFailed(
    "error",
    "tree_too_large",
    `The codebase takes ${Math.ceil(tree.bytes / MEBIBYTE)} MiB, and a local task holds ${MAX_LOCAL_TREE_BYTES / MEBIBYTE} MiB of one. Mount a folder of it, or use task_type dagger, e2b or subprocess.`,
  );
}

function outcomeOf(frame: LastFrame, output: AttemptOutput): Outcome {
  switch (frame[0]) {
    case "completed":
      return { status: "completed", result: frame[1], exit_code: frame[2] };
    case "exited":
      return exitFailure(frame[2], output.stderrTail, frame[1]);
    case "failed": {
      const [, reason, code, message, exit_code, result] = frame;
      return failed(reason, code, message, { exit_code, result });
    }
  }
}

class LocalExecutor implements Executor {
  readonly type = "local";
  readonly #deps: LocalExecutorDeps;
  readonly #children: Children;

  constructor(deps: LocalExecutorDeps) {
    this.#deps = deps;
    this.#children = new Children(deps);
  }

  async run(request: AttemptRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    const { work } = request;
    let output = new AttemptOutput(sink, []);
    let outcome: Outcome;
    try {
      const environment = await this.#environment(request);
      if (environment.secretValues.length > 0) {
        output = new AttemptOutput(sink, environment.secretValues);
      }
      const prepared = await this.#prepare(request, environment);
      outcome = signal.aborted
        ? stopped(signal, request)
        : await this.#attempt(prepared, output, signal);
    } catch (error) {
      outcome = signal.aborted ? stopped(signal, request) : failureOf(error, "the service's logs");
    }
    return output.settle(outcome, work.outputs);
  }

  /** Returns at once when there is nothing to look up. */
  #environment(request: AttemptRequest): Promise<ResolvedEnvironment> | ResolvedEnvironment {
    const { work, project_id } = request;
    return usesSecrets(work)
      ? resolveEnvironment(work, project_id, this.#deps.secrets)
      : { variables: work.environment, secretValues: [] };
  }

  async #prepare(request: AttemptRequest, environment: ResolvedEnvironment): Promise<Prepared> {
    const { work, ref, deadline_at, project_id } = request;
    const { code, shell } = compile(work);
    const scope: ChildScope = { project_id, allow: work.network.allow, isolation: work.isolation };
    const egress = this.#children.egress(scope);
    if (egress === undefined) {
      throw new AttemptFailed(
        "error",
        "network_unavailable",
        "The task allows itself network hosts, but this service gives local tasks no network. Remove network.allow, or use another task_type.",
      );
    }
    const { tree = null } = work;
    const files = await loadFiles(work, this.#deps.blobs);
    if (tree !== null) checkTree(tree, files, []);
    const asked: ChildRequest = {
      inputs: work.inputs,
      environment: environment.variables,
      files,
      tree: tree?.path ?? null,
      working_directory: workingDirectory(work.working_directory),
      artifacts: work.artifacts,
      ref,
      deadline_at,
      shell,
      network: scope.allow.length > 0,
    };
    const archive = tree === null ? null : await openSmallTree(tree, this.#deps.blobs);
    return {
      code,
      scope,
      egress,
      archive,
      body: JSON.stringify(asked),
      props: this.#props(request),
    };
  }

  #props({ work: { skills = null }, project_id, ref }: AttemptRequest): ChildProps {
    if (skills === null || skills.allow.length === 0) return NO_PROPS;
    return { skills: this.#deps.skills({ project_id, ref, grant: skills }) };
  }

  /** Rejects with the reason of an abort, which `run` turns into the outcome. */
  async #attempt(prepared: Prepared, output: AttemptOutput, signal: AbortSignal): Promise<Outcome> {
    const { code, scope, egress, body, archive, props } = prepared;
    const artifacts = new Artifacts((path, bytes) => output.artifact(path, bytes));
    const last: { frame: LastFrame | null } = { frame: null };
    const take: TakeFrame = (frame) => {
      switch (frame[0]) {
        case "stdout":
        case "stderr":
          output.log(frame[0], frame[1]);
          return undefined;
        case "artifact":
          return artifacts.take(frame[1], frame[2], frame[3]);
        default:
          last.frame = frame;
          return "last";
      }
    };
    try {
      const child = this.#children.get(code, scope, egress, props);
      const request = archive === null ? carrying(body) : carryingTree(body, archive);
      const response = await child.fetch(CHILD_URL, { ...request, signal });
      // Without a network nothing that the code may still do has an effect.
      const hasNetwork = scope.allow.length > 0;
      const header = hasNetwork ? null : response.headers.get(FRAMES_HEADER);
      if (header !== null) await readHeader(header, take);
      else if (response.body !== null) await readFrames(response.body, take, hasNetwork);
      if (last.frame === null) throw new ProtocolError("the stream ends without a result");
    } catch (error) {
      if (signal.aborted || error instanceof AttemptFailed) throw error;
      const { outcome, isGone } = childFailure(error);
      if (isGone) this.#children.retire(code, scope);
      return outcome;
    }
    // A module that failed while it loaded stays failed in its isolate, whatever the cause was.
    if (last.frame[0] === "failed" && last.frame[2] === "script_load_failed") {
      this.#children.retire(code, scope);
    }
    return outcomeOf(last.frame, output);
  }
}

/** The executor of `task_type: local`. Its caller keeps to 10 distinct children at a time. */
export function createLocalExecutor(deps: LocalExecutorDeps): Executor {
  return new LocalExecutor(deps);
}
